#ifndef _SYS_THREAD2_H_
#define _SYS_THREAD2_H_

#include <sys/systm.h>
#include <sys/thread.h>
#include <sys/globaldata.h>

/* In a critical section a CPU takes no IPI. */
static __inline void
crit_enter_quick(thread_t td)
{
	++td->td_critcount;
	__asm__ __volatile__("" : : : "memory");
}

static __inline void
crit_exit_quick(thread_t td)
{
	__asm__ __volatile__("" : : : "memory");
	--td->td_critcount;
	KKASSERT(td->td_critcount >= 0);
	ul_poll();
}

static __inline void
crit_exit_noyield(thread_t td)
{
	crit_exit_quick(td);
}

#define crit_enter()		crit_enter_quick(curthread)
#define crit_enter_gd(gd)	crit_enter_quick((gd)->gd_curthread)
#define crit_enter_id(id)	crit_enter()
#define crit_exit()		crit_exit_quick(curthread)
#define crit_exit_gd(gd)	crit_exit_quick((gd)->gd_curthread)
#define crit_exit_id(id)	crit_exit()

static __inline int
crit_test(thread_t td)
{
	return (td->td_critcount != 0);
}

int	lwkt_send_ipiq(struct globaldata *, ipifunc1_t, void *);
int	lwkt_send_ipiq2(struct globaldata *, ipifunc2_t, void *, int);

static __inline int
lwkt_send_ipiq_bycpu(int cpu, ipifunc1_t func, void *arg)
{
	return (lwkt_send_ipiq(globaldata_find(cpu), func, arg));
}

#endif
