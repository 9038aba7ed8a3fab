/*
 * The bare round trip between two pthreads, for comparison: with a mutex and
 * condition variables, and spinning on a word.  Prints nanoseconds a trip.
 * With two cores given, each thread stays on its own: else the host may put
 * both on one, where a condition variable costs a tenth.  Where that cannot be
 * had, it says so on standard error.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t conds[2] = { PTHREAD_COND_INITIALIZER,
    PTHREAD_COND_INITIALIZER };
static int turn;
static long trips;
static int cores[2] = { -1, -1 };

static void
wait_with_cond(int mine)
{
	pthread_mutex_lock(&mutex);
	while (turn != mine)
		pthread_cond_wait(&conds[mine], &mutex);
	pthread_mutex_unlock(&mutex);
}

static void
pass_with_cond(int to)
{
	pthread_mutex_lock(&mutex);
	turn = to;
	pthread_cond_signal(&conds[to]);
	pthread_mutex_unlock(&mutex);
}

static void
wait_spinning(int mine)
{
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
}

static void
pass_spinning(int to)
{
	__atomic_store_n(&turn, to, __ATOMIC_RELEASE);
}

static void
stay_on_core(int mine)
{
	int error = -1;

	if (cores[mine] < 0)
		return;
#ifdef __linux__
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cores[mine], &set);
	error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
#endif
	if (error != 0)
		fprintf(stderr, "thread %d could not be kept on core %d\n",
		    mine, cores[mine]);
}

static void (*wait_for)(int) = wait_with_cond;
static void (*pass)(int) = pass_with_cond;

static void *
other(void *arg)
{
	long n;

	stay_on_core(1);
	for (n = 0; n < trips + 1; ++n) {
		wait_for(1);
		pass(0);
	}
	return (arg);
}

int
main(int argc, char **argv)
{
	struct timespec start, end;
	pthread_t thread;
	long n;

	if ((argc != 3 && argc != 5) || (trips = atol(argv[2])) < 1) {
		fprintf(stderr,
		    "usage: pingpong cond|spin TRIPS [CORE CORE]\n");
		return (2);
	}
	if (argc == 5) {
		cores[0] = atoi(argv[3]);
		cores[1] = atoi(argv[4]);
	}
	if (strcmp(argv[1], "spin") == 0) {
		wait_for = wait_spinning;
		pass = pass_spinning;
	}
	if (pthread_create(&thread, NULL, other, NULL) != 0)
		return (1);
	stay_on_core(0);
	pass(1);		/* the first trip is to settle down */
	wait_for(0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (n = 0; n < trips; ++n) {
		pass(1);
		wait_for(0);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	pthread_join(thread, NULL);
	printf("%.1f\n", ((double)(end.tv_sec - start.tv_sec) * 1e9 +
	    (double)(end.tv_nsec - start.tv_nsec)) / (double)trips);
	return (0);
}
