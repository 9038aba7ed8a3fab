#ifndef _SYS_SPINLOCK_H_
#define _SYS_SPINLOCK_H_

#include <sys/param.h>

struct spinlock {
	int		lock;		/* 1 while held */
};

#if __DragonFly_version >= 400000
#define SPINLOCK_INITIALIZER(spin, description)	{ 0 }
#else
#define SPINLOCK_INITIALIZER(spin)		{ 0 }
#endif

#endif
