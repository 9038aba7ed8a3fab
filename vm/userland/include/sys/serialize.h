#ifndef _SYS_SERIALIZE_H_
#define _SYS_SERIALIZE_H_

#include <sys/types.h>

struct thread;

struct lwkt_serialize {
	_Atomic int	interlock;	/* 1 while held, plus 2 a waiter */
	_Atomic(struct thread *) last_td;
};

typedef struct lwkt_serialize *lwkt_serialize_t;

#define LWKT_SERIALIZE_INITIALIZER	{ 0, (void *)0 }

#define IS_SERIALIZED(ss)		((ss)->last_td == curthread)
#define ASSERT_SERIALIZED(ss)		KKASSERT(IS_SERIALIZED((ss)))
#define ASSERT_NOT_SERIALIZED(ss)	KKASSERT(!IS_SERIALIZED((ss)))

void	lwkt_serialize_init(lwkt_serialize_t);
void	lwkt_serialize_enter(lwkt_serialize_t);
void	lwkt_serialize_adaptive_enter(lwkt_serialize_t);
int	lwkt_serialize_try(lwkt_serialize_t);
void	lwkt_serialize_exit(lwkt_serialize_t);

#endif
