/*
 * The machine under a scheduler's control: virtual CPUs, their threads, IPIs
 * and spinlocks, one step at a time.
 *
 * Threads run on fibers of one pthread, IPIs on one more for each CPU, under
 * the name of its idle thread.  Wherever another process could have a say the
 * one that runs asks the scheduler who goes on.  A thread keeps its CPU from
 * one call boundary to the next, unless it sleeps; in a critical section it
 * keeps IPIs off as well.  Wakeups need no IPI: that a thread is about to be
 * woken on another CPU and that it has been and does not run yet is the same.
 */

#include "kern_private.h"
#include <sys/serialize.h>
#include <sys/spinlock2.h>
#include <ul_control.h>
#include <ul_scenario.h>

#define MAXTHREADS	32
#define MAXCPUS		8
#define FIFO_ROOM	256		/* a power of two */

struct ipi {
	enum { IPI_1, IPI_2, IPI_3 } kind;
	union {
		ipifunc1_t	one;
		ipifunc2_t	two;
		ipifunc3_t	three;
	} func;
	void		*arg1;
	int		arg2;
};

struct fifo {
	int		source;
	int		target;
	u_int		in;
	u_int		out;
	struct ipi	slot[FIFO_ROOM];
};

/* Whoever has a stack: a column of the scenario, or a CPU's IPIs. */
struct context {
	struct ul_fiber	*fiber;
	const char	*where;		/* it stopped inside this function */
	const volatile int *lock;	/* it waits until this is 0 */
};

static struct column {
	struct thread	td;
	struct context	context;
	int		statement;	/* begun, from 1 */
	int		finished;
} *columns;

static struct cpu {
	thread_t	holder;		/* whose turn it is and nobody else's */
	int		delivering;	/* a FIFO's process, or -1 */
	struct context	context;
} cpus[MAXCPUS];

_Thread_local struct thread *ul_curthread;
struct globaldata *ul_cpus;
int ncpus;
int ncpus_fit;
int ncpus_fit_mask;
int osreldate = __DragonFly_version;
int ul_spins;
int ul_fence_word;

static const struct ul_scenario *scenario;
static thread_t tds[MAXTHREADS];
static struct fifo *fifos;		/* by process, after the threads */
static int nfifos;
static struct thread outside;		/* who prepares and observes */
static int controlled;			/* an execution is under way */
static int every_access;
static int running;			/* the process that has a segment */
static struct ul_region region;		/* of the segment */

globaldata_t
globaldata_find(int cpu)
{
	KASSERT(cpu >= 0 && cpu < ncpus, ("globaldata_find: no cpu %d", cpu));
	return (&ul_cpus[cpu]);
}

static struct cpu *
cpu_of(thread_t td)
{
	return (&cpus[td->td_gd->gd_cpuid]);
}

static struct column *
column_of(thread_t td)
{
	return (__containerof(td, struct column, td));
}

static struct fifo *
fifo_of(int process)
{
	return (&fifos[process - scenario->threads]);
}

static struct context *
context_of(int process)
{
	if (process < scenario->threads)
		return (&columns[process].context);
	return (&cpus[fifo_of(process)->target].context);
}

/* The process of the FIFO between two CPUs. */
static int
fifo_between(int source, int target)
{
	return (scenario->threads + source * (ncpus - 1) + target -
	    (target > source));
}

static void arrive(void *);

/*
 * Who can go on.
 */
static int
thread_can(struct column *column)
{
	struct cpu *cpu = cpu_of(&column->td);

	if (column->finished || (column->td.td_flags & TDF_RUNQ) == 0)
		return (0);
	if (column->context.lock != NULL && *column->context.lock != 0)
		return (0);
	return (cpu->delivering < 0 &&
	    (cpu->holder == NULL || cpu->holder == &column->td));
}

static int
takes_ipis(struct cpu *cpu)
{
	return (cpu->delivering < 0 &&
	    (cpu->holder == NULL || cpu->holder->td_critcount == 0));
}

/* What comes next is a thread. */
static int
arrives(struct fifo *fifo)
{
	return (fifo->slot[fifo->out % FIFO_ROOM].func.one == arrive);
}

static int
fifo_can(int process)
{
	struct fifo *fifo = fifo_of(process);
	struct cpu *cpu = &cpus[fifo->target];

	if (cpu->delivering >= 0)
		return (cpu->delivering == process &&
		    (cpu->context.lock == NULL || *cpu->context.lock == 0));
	if (fifo->in == fifo->out || !takes_ipis(cpu))
		return (0);
	/*
	 * A thread does not arrive while its old CPU is at its port in the
	 * belief that it is there.  A kernel has nothing against that, but what
	 * comes of it is known: a queue that two CPUs change at once.
	 */
	return (!arrives(fifo) || takes_ipis(&cpus[fifo->source]));
}

static unsigned long long
enabled(void)
{
	unsigned long long set = 0;
	int n;

	for (n = 0; n < scenario->threads; ++n)
		if (thread_can(&columns[n]))
			set |= 1ull << n;
	for (; n < scenario->threads + nfifos; ++n)
		if (fifo_can(n))
			set |= 1ull << n;
	return (set);
}

/* What is known of a process's next segment before it begins. */
static struct ul_region
next_region(int process)
{
	struct ul_region next = { .also = -1 };
	struct fifo *fifo;
	thread_t td;

	if (process < scenario->threads) {
		td = &columns[process].td;
		next.cpu = (int)(cpu_of(td) - cpus);
		next.first = cpu_of(td)->holder != td;
		next.masked = !next.first && td->td_critcount > 0;
	} else {
		fifo = fifo_of(process);
		next.cpu = fifo->target;
		next.ipi = 1;
		next.first = cpus[fifo->target].delivering != process;
		if (next.first && arrives(fifo))
			next.also = fifo->source;
	}
	return (next);
}

/* Begin a segment of a process; the caller's own fiber may be the one. */
static void
dispatch(int process)
{
	struct cpu *cpu;
	thread_t td;

	running = process;
	region = next_region(process);
	cpu = &cpus[region.cpu];
	if (region.ipi) {
		td = &ul_cpus[region.cpu].gd_idlethread;
		if (region.first)
			ul_host_delivers();
		cpu->delivering = process;
	} else {
		td = &columns[process].td;
		cpu->holder = td;
		td->td_gd->gd_curthread = td;
	}
	ul_curthread = td;
	ul_host_fiber_switch(context_of(process)->fiber);
}

void
ul_kern_end(enum ul_ending ending)
{
	int n;

	controlled = 0;
	ul_curthread = &outside;
	/* What ended it keeps nobody out who would go on after it. */
	if (ending == UL_PANIC || ending == UL_TRAP || ending == UL_ENDLESS) {
		region.holds = region.masks = 0;
		ul_host_segment_over(&region);
	}
	if (ending == UL_DONE || ending == UL_DEADLOCK) {
		for (n = 0; n < scenario->threads; ++n)
			scenario->value[n] = ul_kern_statement(n);
		scenario->observe();
	}
	ul_host_ended(ending);
	ul_host_fiber_home();
}

/* The segment is over: let the scheduler say who goes on. */
static void
pass_on(void)
{
	struct cpu *cpu = &cpus[region.cpu];
	unsigned long long set;
	int n, next;

	if (region.ipi) {
		region.holds = cpu->delivering >= 0;
	} else {
		region.holds = cpu->holder == &columns[running].td;
		region.masks = !region.masked && region.holds &&
		    cpu->holder->td_critcount > 0;
	}
	ul_host_segment_over(&region);
	set = enabled();
	if (set == 0) {
		for (n = 0; n < scenario->threads; ++n)
			if (!columns[n].finished)
				ul_kern_end(UL_DEADLOCK);
		ul_kern_end(UL_DONE);
	}
	next = ul_host_choose(set, running);
	if (next < 0)
		ul_kern_end(UL_ABANDONED);
	dispatch(next);
}

/*
 * Here another process may go on, unless nothing was touched since one last
 * could: then it had its chance already.  With one CPU there is nobody who
 * could inside a call.
 */
static void
pause_at(const char *where)
{
	struct context *context = context_of(running);

	if (!ul_host_pauses(nfifos == 0))
		return;
	context->where = where;
	pass_on();
	context->where = NULL;
}

void
ul_poll_at(const char *function)
{
	/* The delivery of an IPI is one step, as it is in the model. */
	if (controlled && panicstr == NULL && (every_access || !region.ipi))
		pause_at(function);
}

void
ul_kern_access(const volatile void *address, int size, int write)
{
	if (!controlled || panicstr != NULL)
		return;
	if (every_access)
		pause_at("access");
	ul_host_touch(address, size, write);
}

void
ul_statement(int number)
{
	struct column *column = column_of(curthread);

	/* Before its first a thread has done nothing yet. */
	if (column->statement++ == 0)
		return;
	KKASSERT(column->statement == number);
	if (curthread->td_critcount == 0)
		cpu_of(curthread)->holder = NULL;
	pass_on();
}

static void
column_main(void *arg)
{
	struct column *column = arg;

	scenario->run((int)(column - columns));
	column->finished = 1;
	column->td.td_flags &= ~TDF_RUNQ;
	cpu_of(&column->td)->holder = NULL;
	pass_on();
}

/*
 * IPIs.
 */
static void
deliver_main(void *arg)
{
	struct cpu *cpu = arg;
	globaldata_t gd = &ul_cpus[cpu - cpus];
	struct fifo *fifo;
	struct ipi ipi;

	for (;;) {
		fifo = fifo_of(cpu->delivering);
		ipi = fifo->slot[fifo->out++ % FIFO_ROOM];
		++gd->gd_intr_nesting_level;
		++gd->gd_processing_ipiq;
		switch (ipi.kind) {
		case IPI_1:
			ipi.func.one(ipi.arg1);
			break;
		case IPI_2:
			ipi.func.two(ipi.arg1, ipi.arg2);
			break;
		case IPI_3:
			ipi.func.three(ipi.arg1, ipi.arg2, NULL);
			break;
		}
		--gd->gd_processing_ipiq;
		--gd->gd_intr_nesting_level;
		cpu->delivering = -1;
		pass_on();
	}
}

static int
put(int source, globaldata_t target, const struct ipi *ipi)
{
	int process = fifo_between(source, (int)target->gd_cpuid);
	struct fifo *fifo = fifo_of(process);

	KASSERT(fifo->in - fifo->out < FIFO_ROOM, ("no room for an IPI"));
	ul_host_touch_fifo(process);
	ul_host_sent(process);
	fifo->slot[fifo->in % FIFO_ROOM] = *ipi;
	return ((int)++fifo->in);
}

int
lwkt_send_ipiq(globaldata_t target, ipifunc1_t func, void *arg)
{
	struct ipi ipi = { .kind = IPI_1, .func.one = func, .arg1 = arg };

	ul_poll();
	if (target == mycpu) {
		func(arg);
		return (0);
	}
	return (put(mycpuid, target, &ipi));
}

int
lwkt_send_ipiq2(globaldata_t target, ipifunc2_t func, void *arg1, int arg2)
{
	struct ipi ipi = { .kind = IPI_2, .func.two = func, .arg1 = arg1,
	    .arg2 = arg2 };

	ul_poll();
	if (target == mycpu) {
		func(arg1, arg2);
		return (0);
	}
	return (put(mycpuid, target, &ipi));
}

int
lwkt_send_ipiq3(globaldata_t target, ipifunc3_t func, void *arg1, int arg2)
{
	struct ipi ipi = { .kind = IPI_3, .func.three = func, .arg1 = arg1,
	    .arg2 = arg2 };

	ul_poll();
	if (target == mycpu) {
		func(arg1, arg2, NULL);
		return (0);
	}
	return (put(mycpuid, target, &ipi));
}

void
ul_send_wakeup(globaldata_t target __unused, ipifunc1_t func, void *arg)
{
	func(arg);
}

/*
 * Threads.
 */
void
ul_enqueue(thread_t td)
{
	struct column *column = column_of(td);

	if ((td->td_flags & (TDF_RUNQ | TDF_MIGRATING)) || column->finished)
		return;
	td->td_flags |= TDF_RUNQ;
	ul_host_woke((int)(column - columns));
}

/* Whether a thread sleeps is seen by who wakes it, and the other way round. */
static void
touch_state(thread_t td)
{
	if (controlled)
		ul_host_touch(&td->td_flags, 1, 1);
}

void
lwkt_schedule(thread_t td)
{
	crit_enter();
	touch_state(td);
	ul_enqueue(td);
	crit_exit();
}

void
lwkt_schedule_self(thread_t td)
{
	ul_enqueue(td);
}

void
lwkt_deschedule_self(thread_t td)
{
	touch_state(td);
	td->td_flags &= ~TDF_RUNQ;
}

void
lwkt_switch(void)
{
	thread_t td = curthread;
	globaldata_t gd = mycpu;

	if (gd->gd_intr_nesting_level != 0 || td == &gd->gd_idlethread)
		panic("lwkt_switch: Attempt to switch from a fast interrupt, "
		    "ipi, or hard code section, td %p", (void *)td);
	if (gd->gd_spinlocks != 0)
		panic("lwkt_switch: still holding %d exclusive spinlocks!",
		    gd->gd_spinlocks);
	cpu_of(td)->holder = NULL;
	context_of(running)->where = td->td_wmesg;
	pass_on();
	context_of(running)->where = NULL;
}

int
lwkt_sleep(const char *wmesg, int flags __unused)
{
	thread_t td = curthread;

	crit_enter_quick(td);
	td->td_wmesg = wmesg;
	lwkt_deschedule_self(td);
	lwkt_switch();
	td->td_wmesg = NULL;
	crit_exit_quick(td);
	return (0);
}

static void
arrive(void *arg)
{
	thread_t td = arg;

	ul_host_touch(&td->td_gd, sizeof(td->td_gd), 1);
	td->td_gd = mycpu;
	td->td_flags &= ~TDF_MIGRATING;
	ul_enqueue(td);
}

void
lwkt_setcpu_self(globaldata_t target)
{
	thread_t td = curthread;
	struct ipi ipi = { .kind = IPI_1, .func.one = arrive, .arg1 = td };

	ul_poll();
	if (target == mycpu)
		return;
	crit_enter_quick(td);
	KKASSERT(mycpu->gd_intr_nesting_level == 0 &&
	    mycpu->gd_spinlocks == 0);
	cpu_of(td)->holder = NULL;
	td->td_flags = (td->td_flags & ~TDF_RUNQ) | TDF_MIGRATING;
	put(mycpuid, target, &ipi);
	pass_on();
	crit_exit_quick(td);
}

/*
 * Locks.  The short ones of the machine itself are never contended, since
 * nobody is asked while one is held.
 */
void
ul_lock(int *word)
{
	KKASSERT(*word == 0);
	if (controlled)
		ul_host_touch(word, sizeof(*word), 1);
	*word = 1;
}

void
ul_unlock(int *word)
{
	*word = 0;
}

/* Go on when the word is 0; others may go on before. */
static void
wait_for(const volatile int *word, const char *where)
{
	struct context *context = context_of(running);

	while (*word != 0) {
		ul_host_wait(word);
		context->lock = word;
		context->where = where;
		pass_on();
		context->where = NULL;
		context->lock = NULL;
	}
}

void
spin_lock(struct spinlock *spin)
{
	ul_poll();
	crit_enter();
	++mycpu->gd_spinlocks;
	if (every_access)
		pause_at("spin_lock");
	wait_for(&spin->lock, "spin_lock");
	if (controlled)
		ul_host_acquire(&spin->lock);
	spin->lock = 1;
}

int
spin_trylock(struct spinlock *spin)
{
	ul_poll();
	ul_kern_access(&spin->lock, sizeof(spin->lock), 1);
	if (spin->lock != 0)
		return (FALSE);
	crit_enter();
	++mycpu->gd_spinlocks;
	if (controlled)
		ul_host_acquire(&spin->lock);
	spin->lock = 1;
	return (TRUE);
}

void
spin_unlock(struct spinlock *spin)
{
	if (every_access)
		pause_at("spin_unlock");
	if (controlled)
		ul_host_release(&spin->lock);
	spin->lock = 0;
	--mycpu->gd_spinlocks;
	KKASSERT(mycpu->gd_spinlocks >= 0);
	crit_exit();
}

int
spin_held(struct spinlock *spin)
{
	return (spin->lock);
}

/*
 * Serializers.  Who waits for one sleeps, but nothing is to be seen of how:
 * it goes on when the serializer is free.
 */
void
lwkt_serialize_init(lwkt_serialize_t s)
{
	s->interlock = 0;
	s->last_td = NULL;
}

void
lwkt_serialize_enter(lwkt_serialize_t s)
{
	ASSERT_NOT_SERIALIZED(s);
	ul_poll();
	if (s->interlock != 0)
		cpu_of(curthread)->holder = NULL;
	wait_for((const volatile int *)&s->interlock, "lwkt_serialize_enter");
	if (controlled)
		ul_host_acquire(&s->interlock);
	s->interlock = 1;
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
	ul_kern_access(&s->interlock, sizeof(s->interlock), 1);
	if (s->interlock != 0)
		return (0);
	if (controlled)
		ul_host_acquire(&s->interlock);
	s->interlock = 1;
	s->last_td = curthread;
	return (1);
}

void
lwkt_serialize_exit(lwkt_serialize_t s)
{
	ASSERT_SERIALIZED(s);
	ul_poll();
	if (controlled)
		ul_host_release(&s->interlock);
	s->last_td = NULL;
	s->interlock = 0;
	ul_poll();
}

/* A module that spins lets nobody else on its CPU. */
void
ul_relax(void)
{
	ul_poll();
}

/*
 * Executions.
 */
const char *
ul_kern_control(const struct ul_scenario *given)
{
	struct fifo *fifo;
	int n, source, target;

	ncpus = given->cpus;
	if (given->threads > MAXTHREADS || ncpus > MAXCPUS ||
	    given->threads + ncpus * (ncpus - 1) > UL_PROCESSES)
		return ("too many threads or CPUs for controlled schedules");
	scenario = given;
	for (ncpus_fit = 1; ncpus_fit < ncpus; ncpus_fit *= 2)
		continue;
	ncpus_fit_mask = ncpus_fit - 1;
	nfifos = ncpus * (ncpus - 1);
	if (columns == NULL) {
		columns = ul_host_alloc(sizeof(*columns) * MAXTHREADS);
		ul_cpus = ul_host_alloc(sizeof(*ul_cpus) * MAXCPUS);
		fifos = ul_host_alloc(sizeof(*fifos) * UL_PROCESSES);
		if (columns == NULL || ul_cpus == NULL || fifos == NULL)
			return ("out of memory");
	}
	ul_host_watch(scenario->shared, scenario->size);
	for (n = 0; n < scenario->threads; ++n) {
		tds[n] = &columns[n].td;
		if (columns[n].context.fiber == NULL &&
		    (columns[n].context.fiber = ul_host_fiber()) == NULL)
			return ("out of memory");
		ul_host_watch(&columns[n].td.td_gd,
		    sizeof(columns[n].td.td_gd));
		ul_host_watch(&columns[n].td.td_msgport,
		    sizeof(columns[n].td.td_msgport));
	}
	for (source = 0; source < ncpus; ++source)
		for (target = 0; target < ncpus; ++target) {
			if (source == target)
				continue;
			fifo = fifo_of(fifo_between(source, target));
			fifo->source = source;
			fifo->target = target;
		}
	for (n = 0; n < ncpus; ++n)
		if (cpus[n].context.fiber == NULL &&
		    (cpus[n].context.fiber = ul_host_fiber()) == NULL)
			return ("out of memory");
	return (NULL);
}

/* Everything as it is when a machine has come up and its threads are made. */
static void
boot(void)
{
	globaldata_t gd;
	int n;

	ul_sleepqueues_boot();
	ul_panic_boot();
	bzero(ul_cpus, sizeof(*ul_cpus) * MAXCPUS);
	bzero(&outside, sizeof(outside));
	outside.td_gd = ul_cpus;
	outside.td_critcount = 1;
	ul_curthread = &outside;
	for (n = 0; n < ncpus; ++n) {
		gd = &ul_cpus[n];
		gd->gd_cpuid = (u_int)n;
		TAILQ_INIT(&gd->gd_timeoutq);
		gd->gd_idlethread.td_gd = gd;
		gd->gd_idlethread.td_critcount = 1;
		lwkt_initport_thread(&gd->gd_idlethread.td_msgport,
		    &gd->gd_idlethread);
		gd->gd_curthread = &gd->gd_idlethread;
		cpus[n].holder = NULL;
		cpus[n].delivering = -1;
		cpus[n].context.where = NULL;
		cpus[n].context.lock = NULL;
		ul_host_fiber_start(cpus[n].context.fiber, deliver_main,
		    &cpus[n]);
	}
	for (n = 0; n < nfifos; ++n)
		fifos[n].in = fifos[n].out = 0;
	for (n = 0; n < scenario->threads; ++n) {
		bzero(&columns[n].td, sizeof(columns[n].td));
		columns[n].td.td_gd = globaldata_find(scenario->cpu[n]);
		columns[n].td.td_pri = TDPRI_KERN_DAEMON;
		columns[n].td.td_flags = TDF_RUNQ;
		lwkt_initport_thread(&columns[n].td.td_msgport, &columns[n].td);
		columns[n].context.where = NULL;
		columns[n].context.lock = NULL;
		columns[n].statement = columns[n].finished = 0;
		ul_host_fiber_start(columns[n].context.fiber, column_main,
		    &columns[n]);
	}
}

/* One execution, from the first choice to where nothing goes on. */
void
ul_kern_execute(int access)
{
	int next;

	boot();
	scenario->prepare(tds);
	every_access = access;
	next = ul_host_choose(enabled(), -1);
	KKASSERT(next >= 0);
	controlled = 1;
	dispatch(next);
}

int
ul_kern_values(void)
{
	return (scenario->values);
}

const long *
ul_kern_value(void)
{
	return (scenario->value);
}

int
ul_kern_threads(void)
{
	return (scenario->threads);
}

int
ul_kern_processes(void)
{
	return (scenario->threads + nfifos);
}

void
ul_kern_fifo(int process, int *source, int *target)
{
	*source = fifo_of(process)->source;
	*target = fifo_of(process)->target;
}

int
ul_kern_running(void)
{
	return (running);
}

int
ul_kern_statement(int thread)
{
	return (columns[thread].finished ? 0 :
	    MAX(columns[thread].statement, 1));
}

const char *
ul_kern_where(int process)
{
	return (context_of(process)->where);
}

int
ul_kern_sleeps(int thread)
{
	return (!columns[thread].finished &&
	    (columns[thread].td.td_flags & TDF_RUNQ) == 0);
}

int
ul_kern_kept_out(int process, struct ul_region *next,
    const volatile void **lock)
{
	struct column *column;
	struct fifo *fifo;

	*next = next_region(process);
	*lock = NULL;
	/* What a CPU's context waits for is the present delivery's affair. */
	if (!next->ipi || !next->first)
		*lock = context_of(process)->lock;
	if (next->ipi) {
		fifo = fifo_of(process);
		return ((fifo->in != fifo->out || !next->first) &&
		    !fifo_can(process));
	}
	column = &columns[process];
	return (!column->finished && (column->td.td_flags & TDF_RUNQ) != 0 &&
	    !thread_can(column));
}

int
ul_kern_delivering(int process)
{
	return (cpus[fifo_of(process)->target].delivering == process);
}
