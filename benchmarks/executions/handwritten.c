/*
 * The scenario domsg-reply as one would write it by hand to run it over and
 * over: a thread on CPU 0 does lwkt_domsg() to a port of a thread on CPU 1,
 * which replies.  Before each execution port and message are set up anew and
 * both threads meet; each call waits a random moment first; after it an IPI
 * has gone each way between the two CPUs.  Nothing is recorded but how often.
 *
 * The tunable handwritten.ms says how long; with handwritten.bare the calls
 * run without the rest.  Prints executions and nanoseconds.
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
#include <machine/stdarg.h>

#define LOOK	100000		/* TSC ticks to look for a change, then sleep */

static struct thread *client_td, *server_td;
static int ms = 250, bare, deadline;

/* Apart from the code: an emulator translates written pages anew. */
static struct {
	struct lwkt_port port;
	struct lwkt_msg	msg;
	u_int		turn, unfinished, over, gone;
	u_int		here[2];
	u_int		executions, wrong;
} it __aligned(4096);

static u_int
draw(uint64_t *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return ((*random * 0x2545f4914f6cdd1dULL) >> 32);
}

/* None to some 25 us, shorter ones more often. */
static void
moment(uint64_t *random)
{
	u_int bits = draw(random);
	u_int length = (bits >> 8) & ((1u << (bits % 17)) - 1);
	uint64_t start;

	if (bare || length < 32)
		return;
	start = rdtsc();
	while (rdtsc() - start < length)
		cpu_pause();
}

static void
wait_change(u_int *word, u_int was)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < LOOK) {
		if (atomic_load_acq_int(word) != was)
			return;
		cpu_pause();
	}
	for (;;) {
		tsleep_interlock(word, 0);
		if (atomic_load_acq_int(word) != was)
			return;
		tsleep(word, PINTERLOCKED, "hwwait", 0);
	}
}

/* Leave together, if the other does not keep us waiting. */
static void
meet(int cpu, u_int now, uint64_t *random)
{
	uint64_t patience = draw(random) % LOOK, start = rdtsc();

	atomic_store_rel_int(&it.here[cpu], now);
	while (atomic_load_acq_int(&it.here[!cpu]) != now &&
	    rdtsc() - start < patience)
		cpu_pause();
}

static void
arrived(void *arg)
{
	u_int *left = arg;

	if (atomic_fetchadd_int(left, -1) == 1)
		wakeup(left);
}

static void
fan_out(void *arg)
{
	lwkt_send_ipiq(globaldata_find(0), arrived, arg);
	lwkt_send_ipiq(globaldata_find(1), arrived, arg);
}

static void
drain_ipis(void)
{
	u_int left, was;

	atomic_store_rel_int(&left, 4);
	lwkt_send_ipiq(globaldata_find(0), fan_out, &left);
	lwkt_send_ipiq(globaldata_find(1), fan_out, &left);
	while ((was = atomic_load_acq_int(&left)) != 0)
		wait_change(&left, was);
}

static void
begin(void)
{
	bzero(&it.port, sizeof(it.port));
	bzero(&it.msg, sizeof(it.msg));
	lwkt_initport_thread(&it.port, server_td);
	lwkt_initmsg(&it.msg, &client_td->td_msgport, 0);
	atomic_store_rel_int(&it.unfinished, 2);
	atomic_add_int(&it.turn, 1);
	wakeup(&it.turn);
}

static void
finish(void)
{
	if (atomic_fetchadd_int(&it.unfinished, -1) != 1)
		return;
	drain_ipis();
	++it.executions;
	if (ticks - deadline >= 0) {
		atomic_store_rel_int(&it.over, 1);
		atomic_add_int(&it.turn, 1);
		wakeup(&it.turn);
	} else {
		begin();
	}
}

static void
leave(void)
{
	lwkt_hold(curthread);
	atomic_add_int(&it.gone, 1);
	wakeup(&it.gone);
	lwkt_exit();
}

static void
client(void *arg __unused)
{
	uint64_t random = 0x9e3779b97f4a7c15ULL;
	u_int seen = 0;

	while (bare) {
		if (lwkt_domsg(&it.port, &it.msg, 0) != 5)
			++it.wrong;
		++it.executions;
		if (ticks - deadline >= 0) {
			atomic_store_rel_int(&it.over, 1);
			lwkt_domsg(&it.port, &it.msg, 0);
			leave();
		}
	}
	for (;;) {
		wait_change(&it.turn, seen);
		seen = atomic_load_acq_int(&it.turn);
		if (atomic_load_acq_int(&it.over))
			leave();
		meet(0, seen, &random);
		moment(&random);
		if (lwkt_domsg(&it.port, &it.msg, 0) != 5)
			++it.wrong;
		finish();
	}
}

static void
server(void *arg __unused)
{
	uint64_t random = 0xbf58476d1ce4e5b9ULL;
	lwkt_msg_t got;
	u_int seen = 0;

	while (bare) {
		got = lwkt_waitport(&it.port, 0);
		/* Set before the last message is sent. */
		seen = atomic_load_acq_int(&it.over);
		lwkt_replymsg(got, 5);
		if (seen)
			leave();
	}
	for (;;) {
		wait_change(&it.turn, seen);
		seen = atomic_load_acq_int(&it.turn);
		if (atomic_load_acq_int(&it.over))
			leave();
		meet(1, seen, &random);
		moment(&random);
		got = lwkt_waitport(&it.port, 0);
		moment(&random);
		lwkt_replymsg(got, 5);
		finish();
	}
}

static void
reap(struct thread *td)
{
	const char *where;

	while ((where = td->td_wmesg) == NULL || strcmp(where, "tdreap") != 0)
		tsleep(&it.gone, 0, "hwreap", 1);
	lwkt_rele(td);
}

static int
event(module_t mod __unused, int type, void *arg __unused)
{
	struct timespec start, end;

	if (type != MOD_LOAD)
		return (0);
	kgetenv_int("handwritten.ms", &ms);
	kgetenv_int("handwritten.bare", &bare);
	lwkt_create(server, NULL, &server_td, NULL, TDF_NOSTART, 1, "server");
	lwkt_create(client, NULL, &client_td, NULL, TDF_NOSTART, 0, "client");
	nanouptime(&start);
	deadline = ticks + 1 + (int)((int64_t)ms * hz / 1000);
	begin();
	lwkt_schedule(server_td);
	lwkt_schedule(client_td);
	while (atomic_load_acq_int(&it.gone) != 2)
		tsleep(&it.gone, 0, "hwload", 2);
	nanouptime(&end);
	reap(client_td);
	reap(server_td);
	kprintf("handwritten: %u executions, %u wrong, %ld ns.\n",
	    it.executions,
	    it.wrong, (end.tv_sec - start.tv_sec) * 1000000000L +
	    (end.tv_nsec - start.tv_nsec));
	return (0);
}

static moduledata_t data = { "handwritten", event, NULL };
DECLARE_MODULE(handwritten, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
