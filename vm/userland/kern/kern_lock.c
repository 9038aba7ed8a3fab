/* Spinlocks, serializers, and how to spin on a host that has fewer cores. */

#include "kern_private.h"
#include <sys/serialize.h>
#include <sys/spinlock2.h>

#define SPINS_BEFORE_YIELD	64

int ul_fence_word;

void
ul_wait_a_little(u_int *spins)
{
	/* Where every CPU has a core the other side is running. */
	if (++*spins % (ul_spins != 0 ? 4096 : SPINS_BEFORE_YIELD) == 0) {
		ul_host_yield();
		return;
	}
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* cpu_pause(): a place in a module's spin where an IPI may strike. */
void
ul_relax(void)
{
	static _Thread_local u_int spins;

	ul_poll();
	ul_wait_a_little(&spins);
}

void
ul_lock(int *word)
{
	u_int spins = 0;

	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(word, __ATOMIC_RELAXED))
			ul_wait_a_little(&spins);
}

void
ul_unlock(int *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

void
spin_lock(struct spinlock *spin)
{
	ul_poll();
	crit_enter();
	++mycpu->gd_spinlocks;
	ul_lock(&spin->lock);
}

int
spin_trylock(struct spinlock *spin)
{
	ul_poll();
	crit_enter();
	if (__atomic_exchange_n(&spin->lock, 1, __ATOMIC_ACQUIRE) == 0) {
		++mycpu->gd_spinlocks;
		return (TRUE);
	}
	crit_exit();
	return (FALSE);
}

void
spin_unlock(struct spinlock *spin)
{
	ul_unlock(&spin->lock);
	--mycpu->gd_spinlocks;
	KKASSERT(mycpu->gd_spinlocks >= 0);
	crit_exit();
}

int
spin_held(struct spinlock *spin)
{
	return (__atomic_load_n(&spin->lock, __ATOMIC_RELAXED));
}

void
lwkt_serialize_init(lwkt_serialize_t s)
{
	s->interlock = 0;
	s->last_td = NULL;
}

static int
take_free(lwkt_serialize_t s)
{
	int value = s->interlock;

	return ((value & 1) == 0 && __atomic_compare_exchange_n(
	    (int *)&s->interlock, &value, value | 1, 0, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST));
}

void
lwkt_serialize_enter(lwkt_serialize_t s)
{
	ASSERT_NOT_SERIALIZED(s);
	ul_poll();
	if (!take_free(s)) {
		s->interlock += 2;
		for (;;) {
			tsleep_interlock(s, 0);
			if (take_free(s))
				break;
			/* Waiters come and go: sleep only while it is held. */
			if (s->interlock & 1)
				tsleep(s, PINTERLOCKED, "slize", 0);
		}
		tsleep_remove(curthread);
		s->interlock -= 2;
	}
	s->last_td = curthread;
	ul_poll();
}

void
lwkt_serialize_adaptive_enter(lwkt_serialize_t s)
{
	lwkt_serialize_enter(s);
}

int
lwkt_serialize_try(lwkt_serialize_t s)
{
	ASSERT_NOT_SERIALIZED(s);
	ul_poll();
	if (!take_free(s))
		return (0);
	s->last_td = curthread;
	return (1);
}

void
lwkt_serialize_exit(lwkt_serialize_t s)
{
	ASSERT_SERIALIZED(s);
	ul_poll();
	s->last_td = NULL;
	if (__atomic_fetch_and((int *)&s->interlock, ~1, __ATOMIC_SEQ_CST) > 1)
		wakeup(s);
	ul_poll();
}
