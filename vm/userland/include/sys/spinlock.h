#ifndef _SYS_SPINLOCK_H_
#define _SYS_SPINLOCK_H_

struct spinlock {
	int		lock;		/* 1 while held */
	const char	*descr;
};

#define SPINLOCK_INITIALIZER(spin, description)	{ 0, (description) }

#endif
