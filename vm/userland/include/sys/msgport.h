#ifndef _SYS_MSGPORT_H_
#define _SYS_MSGPORT_H_

#include <sys/param.h>
#include <sys/queue.h>
#include <sys/spinlock.h>
#include <machine/stdint.h>

struct lwkt_msg;
struct lwkt_port;
struct lwkt_serialize;
struct thread;

typedef struct lwkt_msg		*lwkt_msg_t;
typedef struct lwkt_port	*lwkt_port_t;

typedef TAILQ_HEAD(lwkt_msg_queue, lwkt_msg) lwkt_msg_queue;

/* ms_flags is _Atomic: lwkt_checkmsg() may look from anywhere, at any time. */
typedef struct lwkt_msg {
	TAILQ_ENTRY(lwkt_msg) ms_node;
	lwkt_port_t	ms_target_port;
	lwkt_port_t	ms_reply_port;
	void		(*ms_abortfn)(struct lwkt_msg *);
	_Atomic int	ms_flags;
	int		ms_error;
	union {
		void		*ms_resultp;
		int		ms_result;
		long		ms_lresult;
		int		ms_fds[2];
		__int32_t	ms_result32;
		__int64_t	ms_result64;
		__off_t		ms_offset;
	} u;
#if __DragonFly_version >= 400000
	void		(*ms_receiptfn)(struct lwkt_msg *, lwkt_port_t);
#endif
} lwkt_msg;

#define MSGF_DONE	0x0001	/* complete, or not sent yet */
#define MSGF_REPLY	0x0002	/* has been replied to */
#define MSGF_QUEUED	0x0004	/* on some port's queue */
#define MSGF_SYNC	0x0008	/* its sender waits for it, not for a port */
#define MSGF_INTRANSIT	0x0010	/* under way in an IPI */
#define MSGF_WAITING	0x0020	/* somebody sleeps on the message */
#define MSGF_DROPABLE	0x0040	/* may be dropped */
#define MSGF_ABORTABLE	0x0080	/* ms_abortfn is valid */
#define MSGF_PRIORITY	0x0100	/* goes before those that are not */
#if __DragonFly_version >= 400000
#define MSGF_RECEIPT	0x0200	/* ms_receiptfn is due */
#endif

#define MSGF_USER0	0x00010000
#define MSGF_USER1	0x00020000
#define MSGF_USER2	0x00040000
#define MSGF_USER3	0x00080000

/* What a drop tells. */
#if __DragonFly_version >= 300400
typedef int	ul_drop_t;
#else
typedef void	ul_drop_t;
#endif

typedef struct lwkt_port {
	lwkt_msg_queue	mp_msgq;
	lwkt_msg_queue	mp_msgq_prio;
	int		mp_flags;
#if __DragonFly_version >= 300600
	int		mp_cpuid;
#endif
	union {
		struct spinlock	spin;
		struct lwkt_serialize *serialize;
		void	*data;
#if __DragonFly_version < 300200
		struct thread *td;	/* so that a spin port has no owner */
#endif
	} mp_u;
#if __DragonFly_version >= 300200
	struct thread	*mpu_td;
#endif
	void		*(*mp_getport)(lwkt_port_t);
	int		(*mp_putport)(lwkt_port_t, lwkt_msg_t);
	int		(*mp_waitmsg)(lwkt_msg_t, int);
	void		*(*mp_waitport)(lwkt_port_t, int);
	void		(*mp_replyport)(lwkt_port_t, lwkt_msg_t);
	ul_drop_t	(*mp_dropmsg)(lwkt_port_t, lwkt_msg_t);
#if __DragonFly_version >= 300600
	int		(*mp_putport_oncpu)(lwkt_port_t, lwkt_msg_t);
#endif
} lwkt_port;

#ifdef _KERNEL

#if __DragonFly_version < 300200
#define mpu_td		mp_u.td
#endif
#define mpu_spin	mp_u.spin
#define mpu_serialize	mp_u.serialize
#define mpu_data	mp_u.data

#define MSGPORTF_WAITING	0x0001	/* somebody sleeps on the port */

void	lwkt_initport_thread(lwkt_port_t, struct thread *);
#if __DragonFly_version >= 300600
void	lwkt_initport_spin(lwkt_port_t, struct thread *, boolean_t);
#elif __DragonFly_version >= 300200
void	lwkt_initport_spin(lwkt_port_t, struct thread *);
#else
void	lwkt_initport_spin(lwkt_port_t);
#endif
void	lwkt_initport_serialize(lwkt_port_t, struct lwkt_serialize *);
void	lwkt_initport_panic(lwkt_port_t);
void	lwkt_initport_replyonly_null(lwkt_port_t);
void	lwkt_initport_replyonly(lwkt_port_t,
	    void (*)(lwkt_port_t, lwkt_msg_t));
void	lwkt_initport_putonly(lwkt_port_t, int (*)(lwkt_port_t, lwkt_msg_t));

void	lwkt_sendmsg(lwkt_port_t, lwkt_msg_t);
#if __DragonFly_version >= 300600
void	lwkt_sendmsg_oncpu(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_prepare(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_start(lwkt_port_t, lwkt_msg_t);
#if __DragonFly_version >= 500000
void	lwkt_sendmsg_start_oncpu(lwkt_port_t, lwkt_msg_t);
#endif
#elif __DragonFly_version >= 300400
void	lwkt_sendmsg_stage1(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_stage2(lwkt_port_t, lwkt_msg_t);
#endif
int	lwkt_domsg(lwkt_port_t, lwkt_msg_t, int);
int	lwkt_forwardmsg(lwkt_port_t, lwkt_msg_t);
void	lwkt_abortmsg(lwkt_msg_t);

#endif

#endif
