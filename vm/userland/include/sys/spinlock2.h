#ifndef _SYS_SPINLOCK2_H_
#define _SYS_SPINLOCK2_H_

#include <sys/systm.h>
#include <sys/spinlock.h>

/* Exclusive spinlocks: the holder is in a critical section. */
static __inline void
#if __DragonFly_version >= 400000
spin_init(struct spinlock *spin, const char *descr __unused)
#else
spin_init(struct spinlock *spin)
#endif
{
	spin->lock = 0;
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
