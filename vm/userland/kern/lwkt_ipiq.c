/*
 * IPIs.  Each ordered pair of CPUs has a FIFO with one writer and one reader;
 * one more row, the last, belongs to the host's main pthread.  A CPU empties
 * the FIFOs of its peers one source after another, from CPU 0 upwards: two
 * sources are not ordered against each other, whatever caused what.
 */

#include "kern_private.h"

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
	_Atomic u_int	windex;		/* the source's, as are the slots */
	_Atomic u_int	rindex __cachealign; /* the target's: taken */
	_Atomic u_int	xindex;		/* the target's: done */
	_Atomic u_int	drain;		/* the source waits for this level */
	int		taking;		/* the target's: how deep nested */
	struct ipi	slot[MAXCPUFIFO];
};

#define MAXNESTING	20

static struct fifo *fifos;		/* [ncpus + 1][ncpus] */

static struct fifo *
fifo_of(int source, int target)
{
	return (&fifos[(u_long)source * (u_long)ncpus + (u_long)target]);
}

void
ul_ipiq_boot(void)
{
	fifos = ul_host_alloc(sizeof(*fifos) * (u_long)(ncpus + 1) *
	    (u_long)ncpus);
	if (fifos == NULL)
		panic("no memory for the IPI queues of %d cpus", ncpus);
}

static int
put(struct fifo *fifo, globaldata_t target, const struct ipi *ipi)
{
	u_int windex = __atomic_load_n((u_int *)&fifo->windex,
	    __ATOMIC_RELAXED);

	fifo->slot[windex & MAXCPUFIFO_MASK] = *ipi;
	__atomic_store_n((u_int *)&fifo->windex, windex + 1, __ATOMIC_RELEASE);
	target->gd_reqflags = RQF_IPIQ;
	if (target->gd_parked && __atomic_exchange_n((int *)&target->gd_parked,
	    0, __ATOMIC_SEQ_CST))
		ul_host_sem_post(target->gd_idlesem);
	return ((int)(windex + 1));
}

void
ul_post_from_host(globaldata_t target, ipifunc1_t func, void *arg)
{
	struct ipi ipi = { .kind = IPI_1, .func.one = func, .arg1 = arg };

	put(fifo_of(ncpus, (int)target->gd_cpuid), target, &ipi);
}

/* Take what stands in a FIFO now, but for the last `leave' of it. */
static void
take(globaldata_t gd, struct fifo *fifo, u_int leave)
{
	struct ipi ipi;
	u_int rindex, windex;

	windex = __atomic_load_n((u_int *)&fifo->windex, __ATOMIC_ACQUIRE);
	++gd->gd_intr_nesting_level;
	++fifo->taking;
	/* A handler that sends may nest and take some itself. */
	while ((int)(windex - (rindex = fifo->rindex)) > (int)leave) {
		ipi = fifo->slot[rindex & MAXCPUFIFO_MASK];
		fifo->rindex = rindex + 1;
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
		/* Of nested ones only the outermost knows all before done. */
		if (fifo->taking == 1)
			fifo->xindex = fifo->rindex;
	}
	--fifo->taking;
	--gd->gd_intr_nesting_level;
}

static int
pending(struct fifo *fifo)
{
	return (fifo->rindex != __atomic_load_n((u_int *)&fifo->windex,
	    __ATOMIC_ACQUIRE));
}

/* Everything from everybody, until a whole round finds nothing new. */
void
ul_deliver(globaldata_t gd)
{
	struct fifo *fifo;
	int n;

	KKASSERT(curthread->td_critcount > 0);
	++gd->gd_processing_ipiq;
	while (gd->gd_reqflags != 0) {
		/* An exchange: it sees the FIFO of whoever raised the flag. */
		__atomic_exchange_n((u_int *)&gd->gd_reqflags, 0,
		    __ATOMIC_SEQ_CST);
		for (n = 0; n <= ncpus; ++n) {
			fifo = fifo_of(n, (int)gd->gd_cpuid);
			while (pending(fifo))
				take(gd, fifo, 0);
		}
	}
	--gd->gd_processing_ipiq;
}

void
lwkt_process_ipiq(void)
{
	ul_deliver(mycpu);
}

/*
 * While this CPU waits for a full FIFO it serves only those that wait for it
 * likewise, and only as far as they need: so two full FIFOs cannot deadlock.
 */
static void
deliver_to_waiting(globaldata_t gd)
{
	struct fifo *fifo;
	u_int level;
	int n;

	++gd->gd_processing_ipiq;
	for (n = 0; n < ncpus; ++n) {
		fifo = fifo_of(n, (int)gd->gd_cpuid);
		if ((level = fifo->drain) != 0)
			take(gd, fifo, level);
	}
	--gd->gd_processing_ipiq;
}

static u_int
fill(struct fifo *fifo)
{
	return (fifo->windex - __atomic_load_n((u_int *)&fifo->rindex,
	    __ATOMIC_ACQUIRE));
}

static int
send(globaldata_t target, const struct ipi *ipi)
{
	thread_t td = curthread;
	globaldata_t gd = mycpu;
	struct fifo *fifo;
	u_int high, low, outer, spins = 0;
	int seq;

	crit_enter_quick(td);
	if (++gd->gd_intr_nesting_level > MAXNESTING)
		panic("lwkt_send_ipiq: TOO HEAVILY NESTED!");
	fifo = fifo_of((int)gd->gd_cpuid, (int)target->gd_cpuid);
	/* From within a handler nearly all of it may be used. */
	if (gd->gd_processing_ipiq == 0) {
		high = MAXCPUFIFO / 2;
		low = MAXCPUFIFO / 4;
	} else {
		high = MAXCPUFIFO - 3;
		low = MAXCPUFIFO - 5;
	}
	if (fill(fifo) > high) {
		outer = __atomic_exchange_n((u_int *)&fifo->drain, low,
		    __ATOMIC_SEQ_CST);
		while (fill(fifo) > low) {
			deliver_to_waiting(gd);
			ul_wait_a_little(&spins);
		}
		fifo->drain = outer;
	}
	seq = put(fifo, target, ipi);
	--gd->gd_intr_nesting_level;
	crit_exit_quick(td);
	return (seq);
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
	return (send(target, &ipi));
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
	return (send(target, &ipi));
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
	return (send(target, &ipi));
}

/* A wakeup on its way: under a scheduler's control it is there at once. */
void
ul_send_wakeup(globaldata_t target, ipifunc1_t func, void *arg)
{
	lwkt_send_ipiq(target, func, arg);
}

/* Until the target has finished what lwkt_send_ipiq() numbered `seq'. */
void
lwkt_wait_ipiq(globaldata_t target, int seq)
{
	globaldata_t gd = mycpu;
	struct fifo *fifo;
	u_int spins = 0;

	if (target == gd)
		return;
	fifo = fifo_of((int)gd->gd_cpuid, (int)target->gd_cpuid);
	while ((int)(fifo->xindex - (u_int)seq) < 0) {
		crit_enter();
		ul_deliver(gd);
		crit_exit();
		ul_wait_a_little(&spins);
	}
}

static void
nothing(void *arg __unused)
{
}

void
lwkt_synchronize_ipiqs(const char *wmesg __unused)
{
	int n;

	for (n = 0; n < ncpus; ++n)
		lwkt_wait_ipiq(globaldata_find(n),
		    lwkt_send_ipiq(globaldata_find(n), nothing, NULL));
}

/* The end of a critical section, a call, a shared access: IPIs may strike. */
void
splz(void)
{
	thread_t td = curthread;
	globaldata_t gd = mycpu;

	if (gd->gd_reqflags != 0) {
		++td->td_critcount;
		ul_deliver(gd);
		--td->td_critcount;
	}
	ul_look_at_clock(gd);
}

void
splz_check(void)
{
	ul_poll();
}

void
lwkt_maybe_splz(thread_t td __unused)
{
	ul_poll();
}

void
ul_poll(void)
{
	if (curthread->td_critcount == 0)
		splz();
}
