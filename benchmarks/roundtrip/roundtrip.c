/*
 * The cross-CPU round trip of a message: a thread on CPU 0 does lwkt_domsg()
 * to the built-in port of a thread on CPU 1, which replies.  At load, so many
 * trips as the tunable roundtrip.trips says; prints nanoseconds a trip.
 *
 * A thread here is a pthread that the host may put anywhere, both on one core
 * too.  The tunables roundtrip.core0 and core1 keep CPU 0's and CPU 1's on a
 * core each, by a call that steps out of the machine and is weak because not
 * every host has it; how many stay where they were told is printed.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/thread.h>
#include <sys/thread2.h>
#include <sys/globaldata.h>
#include <sys/msgport.h>
#include <sys/msgport2.h>

static struct thread *client_td, *server_td;
static int trips = 1000;
static int cores[2] = { -1, -1 };
static int pinned;
static int finished;
static long nanoseconds;

int	sched_setaffinity(int, unsigned long, const void *)
    __attribute__((__weak__));

static void
stay_on_core(int core)
{
	unsigned long mask[16];		/* 1024 cores, as glibc's cpu_set_t */

	if (core < 0 || core >= 1024 || sched_setaffinity == NULL)
		return;
	bzero(mask, sizeof(mask));
	mask[core / 64] = 1UL << core % 64;
	if (sched_setaffinity(0, sizeof(mask), mask) == 0)
		atomic_add_int(&pinned, 1);
}

static void
leave(void)
{
	lwkt_hold(curthread);
	atomic_add_int(&finished, 1);
	wakeup(&finished);
	lwkt_exit();
}

static void
server(void *arg __unused)
{
	lwkt_msg_t msg;
	int n;

	stay_on_core(cores[1]);
	for (n = 0; n < trips + 1; ++n) {
		msg = lwkt_waitport(&curthread->td_msgport, 0);
		lwkt_replymsg(msg, 0);
	}
	leave();
}

static void
client(void *arg __unused)
{
	struct timespec start, end;
	struct lwkt_msg msg;
	int n;

	bzero(&msg, sizeof(msg));
	lwkt_initmsg(&msg, &curthread->td_msgport, 0);
	stay_on_core(cores[0]);
	/* The first trip is to settle down. */
	lwkt_domsg(&server_td->td_msgport, &msg, 0);
	nanouptime(&start);
	for (n = 0; n < trips; ++n)
		lwkt_domsg(&server_td->td_msgport, &msg, 0);
	nanouptime(&end);
	nanoseconds = (end.tv_sec - start.tv_sec) * 1000000000L +
	    (end.tv_nsec - start.tv_nsec);
	leave();
}

static void
reap(struct thread *td)
{
	while (td->td_wmesg == NULL || strcmp(td->td_wmesg, "tdreap") != 0)
		tsleep(&finished, 0, "reap", 1);
	lwkt_rele(td);
}

static int
event(module_t mod __unused, int type, void *arg __unused)
{
	if (type != MOD_LOAD)
		return (0);
	kgetenv_int("roundtrip.trips", &trips);
	kgetenv_int("roundtrip.core0", &cores[0]);
	kgetenv_int("roundtrip.core1", &cores[1]);
	lwkt_create(server, NULL, &server_td, NULL, 0, 1, "server");
	lwkt_create(client, NULL, &client_td, NULL, 0, 0, "client");
	while (atomic_load_acq_int(&finished) != 2)
		tsleep(&finished, 0, "trips", 1);
	reap(client_td);
	reap(server_td);
	kprintf("roundtrip: %ld ns in %d trips, %d pinned\n", nanoseconds,
	    trips, pinned);
	return (0);
}

static moduledata_t data = { "roundtrip", event, NULL };
DECLARE_MODULE(roundtrip, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
