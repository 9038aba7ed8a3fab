#ifndef _SYS_SPINLOCK2_H_
#define _SYS_SPINLOCK2_H_

#include <sys/systm.h>
#include <sys/spinlock.h>

/* Exclusive spinlocks: the holder is in a critical section. */
static __inline void
spin_init(struct spinlock *spin, const char *descr)
{
	spin->lock = 0;
	spin->descr = descr;
}

static __inline void
spin_uninit(struct spinlock *spin __unused)
{
}

void	spin_lock(struct spinlock *);
int	spin_trylock(struct spinlock *);
void	spin_unlock(struct spinlock *);
int	spin_held(struct spinlock *);

#endif
