/*
 * Virtual CPUs and their threads.
 *
 * Every LWKT thread is a pthread, and a CPU belongs to one of them at a time:
 * the runner.  Who blocks while another thread of its CPU can run posts that
 * one's semaphore and waits for its own.  Who blocks while none can is not
 * replaced: it runs the CPU's idle loop itself, under the idle thread's name,
 * so that a reply that comes in wakes one pthread and switches none.
 */

#include "kern_private.h"

_Thread_local struct thread *ul_curthread;

struct globaldata *ul_cpus;
int ncpus;
int ncpus_fit;
int ncpus_fit_mask;
int osreldate = __DragonFly_version;
int ul_spins;

static int use_spin_port;
static struct thread host_thread;	/* who the host's main pthread is */

globaldata_t
globaldata_find(int cpu)
{
	KASSERT(cpu >= 0 && cpu < ncpus, ("globaldata_find: no cpu %d", cpu));
	return (&ul_cpus[cpu]);
}

/* Give the CPU away; from here on the caller owns nothing of it. */
static void
hand_over(globaldata_t gd, thread_t td)
{
	gd->gd_curthread = td;
	td->td_flags |= TDF_RUNNING;
	ul_host_sem_post(td->td_ul_sem);
}

/* Become the idle thread until some thread of this CPU can run. */
static void
idle(globaldata_t gd)
{
	thread_t td = curthread;
	unsigned long long now;
	int spins = 0;

	ul_curthread = gd->gd_curthread = &gd->gd_idlethread;
	while (TAILQ_EMPTY(&gd->gd_tdrunq)) {
		if (gd->gd_reqflags != 0) {
			ul_deliver(gd);
			ul_look_at_clock(gd);
			spins = 0;
			continue;
		}
		if (spins++ < ul_spins) {
			__asm__ __volatile__("" : : : "memory");
#if defined(__x86_64__) || defined(__i386__)
			__builtin_ia32_pause();
#endif
			continue;
		}
		/* Senders raise gd_reqflags before they look at gd_parked. */
		gd->gd_parked = 1;
		if (gd->gd_reqflags == 0) {
			if (TAILQ_EMPTY(&gd->gd_timeoutq)) {
				ul_host_sem_wait(gd->gd_idlesem, -1);
			} else {
				now = ul_host_nanotime();
				if (TAILQ_FIRST(&gd->gd_timeoutq)->
				    td_ul_deadline > now)
					ul_host_sem_wait(gd->gd_idlesem,
					    (long long)(TAILQ_FIRST(
					    &gd->gd_timeoutq)->td_ul_deadline -
					    now));
			}
		}
		gd->gd_parked = 0;
		if (!TAILQ_EMPTY(&gd->gd_timeoutq))
			ul_timeouts_expire(gd);
	}
	ul_curthread = td;
}

static void
idle_main(void *arg)
{
	globaldata_t gd = arg;

	ul_curthread = &gd->gd_idlethread;
	for (;;) {
		ul_host_sem_wait(gd->gd_idlethread.td_ul_sem, -1);
		idle(gd);
		hand_over(gd, TAILQ_FIRST(&gd->gd_tdrunq));
	}
}

/* Leave a CPU for good; arrive() or nothing brings the thread back to one. */
static void
leave(globaldata_t gd)
{
	thread_t next = TAILQ_FIRST(&gd->gd_tdrunq);

	hand_over(gd, next != NULL ? next : &gd->gd_idlethread);
}

void
lwkt_switch(void)
{
	thread_t td = curthread;
	globaldata_t gd = mycpu;
	thread_t next;

	if (gd->gd_intr_nesting_level != 0 || td == &gd->gd_idlethread)
		panic("lwkt_switch: Attempt to switch from a fast interrupt, "
		    "ipi, or hard code section, td %p", (void *)td);
	if (gd->gd_spinlocks != 0)
		panic("lwkt_switch: still holding %d exclusive spinlocks!",
		    gd->gd_spinlocks);
	next = TAILQ_FIRST(&gd->gd_tdrunq);
	if (next != td) {
		td->td_flags &= ~TDF_RUNNING;
		if (next == NULL) {
			idle(gd);
			next = TAILQ_FIRST(&gd->gd_tdrunq);
		}
		if (next != td) {
			hand_over(gd, next);
			ul_host_sem_wait(td->td_ul_sem, -1);
		} else {
			gd->gd_curthread = td;
			td->td_flags |= TDF_RUNNING;
		}
	}
	ul_poll();
}

void
ul_enqueue(thread_t td)
{
	/* One on its way here is let in by arrive(), when it has left. */
	if (td->td_flags & (TDF_RUNQ | TDF_MIGRATING))
		return;
	td->td_flags |= TDF_RUNQ;
	TAILQ_INSERT_TAIL(&td->td_gd->gd_tdrunq, td, td_threadq);
}

static void
dequeue(thread_t td)
{
	if (td->td_flags & TDF_RUNQ) {
		td->td_flags &= ~TDF_RUNQ;
		TAILQ_REMOVE(&td->td_gd->gd_tdrunq, td, td_threadq);
	}
}

static void
schedule_remote(void *arg)
{
	lwkt_schedule(arg);
}

void
lwkt_schedule(thread_t td)
{
	crit_enter();
	if (td->td_gd == mycpu)
		ul_enqueue(td);
	else
		lwkt_send_ipiq(td->td_gd, schedule_remote, td);
	crit_exit();
}

void
lwkt_schedule_self(thread_t td)
{
	KKASSERT(td == curthread);
	crit_enter_quick(td);
	ul_enqueue(td);
	crit_exit_quick(td);
}

void
lwkt_deschedule_self(thread_t td)
{
	KKASSERT(td == curthread);
	crit_enter_quick(td);
	dequeue(td);
	crit_exit_quick(td);
}

static void
deschedule_remote(void *arg)
{
	lwkt_deschedule(arg);
}

void
lwkt_deschedule(thread_t td)
{
	crit_enter();
	if (td->td_gd == mycpu)
		dequeue(td);
	else
		lwkt_send_ipiq(td->td_gd, deschedule_remote, td);
	crit_exit();
}

/*
 * The kernel switches here only when a reschedule is due; without clock ticks
 * to say when, it always is, and whoever else can run gets its turn.
 */
void
lwkt_yield(void)
{
	thread_t td = curthread;
	globaldata_t gd = mycpu;

	ul_poll();
	if (gd->gd_intr_nesting_level != 0 || gd->gd_spinlocks != 0)
		return;
	crit_enter_quick(td);
	dequeue(td);
	ul_enqueue(td);
	lwkt_switch();
	crit_exit_quick(td);
}

void
lwkt_yield_quick(void)
{
	lwkt_yield();
}

void
lwkt_user_yield(void)
{
	lwkt_yield();
}

int
lwkt_sleep(const char *wmesg, int flags __unused)
{
	thread_t td = curthread;

	crit_enter_quick(td);
	td->td_wmesg = wmesg;
	td->td_flags |= TDF_BLOCKED;
	lwkt_deschedule_self(td);
	lwkt_switch();
	td->td_flags &= ~TDF_BLOCKED;
	td->td_wmesg = NULL;
	crit_exit_quick(td);
	return (0);
}

static void
arrive(void *arg)
{
	thread_t td = arg;

	td->td_flags &= ~TDF_MIGRATING;
	ul_enqueue(td);
}

void
lwkt_setcpu_self(globaldata_t rgd)
{
	thread_t td = curthread;
	globaldata_t gd = mycpu;

	ul_poll();
	if (rgd == gd)
		return;
	crit_enter_quick(td);
	KKASSERT(gd->gd_intr_nesting_level == 0 && gd->gd_spinlocks == 0);
	tsleep_remove(td);
	dequeue(td);
	td->td_flags = (td->td_flags & ~TDF_RUNNING) | TDF_MIGRATING;
	/*
	 * The kernel does this on arrival, when the old CPU may be at the port
	 * in the belief that its owner is there.  Done here nobody can be.
	 */
	td->td_gd = rgd;
	/* What is sent, and what strikes meanwhile, is still this CPU's. */
	ul_curthread = gd->gd_curthread = &gd->gd_idlethread;
	lwkt_send_ipiq(rgd, arrive, td);
	ul_curthread = td;
	leave(gd);
	ul_host_sem_wait(td->td_ul_sem, -1);
	crit_exit_quick(td);
}

void
lwkt_migratecpu(int cpu)
{
	lwkt_setcpu_self(globaldata_find(cpu));
}

void
lwkt_hold(thread_t td)
{
	++td->td_refs;
}

void
lwkt_rele(thread_t td)
{
	int refs = --td->td_refs;

	KKASSERT(refs >= 0);
	/* A kernel leaves it to the thread to look, once a tick. */
	if (refs == 0)
		wakeup(td);	/* the address only: it may be gone by now */
}

void
lwkt_setpri(thread_t td, int pri)
{
	td->td_pri = pri;
}

void
lwkt_setpri_self(int pri)
{
	lwkt_setpri(curthread, pri);
}

void
lwkt_set_comm(thread_t td, const char *fmt, ...)
{
	__va_list ap;

	__va_start(ap, fmt);
	kvsnprintf(td->td_comm, sizeof(td->td_comm), fmt, ap);
	__va_end(ap);
}

static void
thread_main(void *arg)
{
	thread_t td = arg;

	ul_host_sem_wait(td->td_ul_sem, -1);
	ul_curthread = td;
	ul_poll();
	td->td_ul_func(td->td_ul_arg);
	lwkt_exit();
}

/*
 * The allocation of a thread and its pthread; it runs once it is scheduled.
 */
int
lwkt_create(void (*func)(void *), void *arg, struct thread **tdp,
    struct thread *template, int tdflags, int cpu, const char *fmt, ...)
{
	thread_t td = template;
	__va_list ap;
	int error;

	ul_poll();
	if (td == NULL) {
		td = ul_host_alloc(sizeof(*td));
		if (td == NULL)
			panic("lwkt_create: out of memory");
		tdflags |= TDF_ALLOCATED_THREAD;
	} else {
		bzero(td, sizeof(*td));
	}
	td->td_flags = (u_int)tdflags & ~TDF_NOSTART;
	td->td_gd = cpu < 0 ? mycpu : globaldata_find(cpu);
	td->td_pri = TDPRI_KERN_DAEMON;
	td->td_ul_func = func;
	td->td_ul_arg = arg;
	td->td_ul_sem = ul_host_sem_new();
	__va_start(ap, fmt);
	kvsnprintf(td->td_comm, sizeof(td->td_comm), fmt, ap);
	__va_end(ap);
	if (use_spin_port || (tdflags & TDF_FORCE_SPINPORT))
		ul_initport_spin(&td->td_msgport, td, tdflags & TDF_FIXEDCPU);
	else
		lwkt_initport_thread(&td->td_msgport, td);
	if (tdp != NULL)
		*tdp = td;
	error = ul_host_thread(thread_main, td);
	if (error != 0)
		panic("lwkt_create: the host has no more threads (errno %d)",
		    error);
	if ((tdflags & TDF_NOSTART) == 0)
		lwkt_schedule(td);
	ul_poll();
	return (0);
}

void
lwkt_exit(void)
{
	thread_t td = curthread;
	globaldata_t gd;

	crit_enter_quick(td);
	while (td->td_refs != 0) {
		tsleep_interlock(td, 0);
		if (td->td_refs != 0)
			tsleep(td, PINTERLOCKED, "tdreap", 1);
	}
	tsleep_remove(td);
	gd = mycpu;
	td->td_flags |= TDF_EXITING;
	td->td_flags &= ~TDF_RUNNING;
	dequeue(td);
	ul_host_sem_free(td->td_ul_sem);
	if (td->td_flags & TDF_ALLOCATED_THREAD)
		ul_host_free(td);
	leave(gd);
	ul_host_thread_exit();
}

void
ul_kern_boot(int cpus, int spin)
{
	globaldata_t gd;
	int n;

	ncpus = cpus;
	for (ncpus_fit = 1; ncpus_fit < ncpus; ncpus_fit *= 2)
		continue;
	ncpus_fit_mask = ncpus_fit - 1;
	ul_spins = spin;
	ul_cpus = ul_host_alloc(sizeof(*ul_cpus) * (u_long)ncpus);
	host_thread.td_gd = ul_cpus;
	host_thread.td_critcount = 1;
	ul_curthread = &host_thread;
	ul_ipiq_boot();
	kgetenv_int("lwkt.use_spin_port", &use_spin_port);
	for (n = 0; n < ncpus; ++n) {
		gd = &ul_cpus[n];
		gd->gd_cpuid = (u_int)n;
		TAILQ_INIT(&gd->gd_tdrunq);
		TAILQ_INIT(&gd->gd_timeoutq);
		gd->gd_idlesem = ul_host_sem_new();
		gd->gd_idlethread.td_gd = gd;
		gd->gd_idlethread.td_critcount = 1;
		gd->gd_idlethread.td_ul_sem = ul_host_sem_new();
		ksnprintf(gd->gd_idlethread.td_comm,
		    sizeof(gd->gd_idlethread.td_comm), "idle_%d", n);
		lwkt_initport_thread(&gd->gd_idlethread.td_msgport,
		    &gd->gd_idlethread);
	}
	for (n = 0; n < ncpus; ++n) {
		gd = &ul_cpus[n];
		gd->gd_curthread = &gd->gd_idlethread;
		if (ul_host_thread(idle_main, gd) != 0)
			panic("cpu %d: the host has no more threads", n);
		ul_host_sem_post(gd->gd_idlethread.td_ul_sem);
	}
}
