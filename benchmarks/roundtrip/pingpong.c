/*
 * The bare round trip between two pthreads, for comparison: with a mutex and
 * condition variables, and spinning on a word.  Prints nanoseconds a trip.
 */

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

static void (*wait_for)(int) = wait_with_cond;
static void (*pass)(int) = pass_with_cond;

static void *
other(void *arg)
{
	long n;

	for (n = 0; n < trips; ++n) {
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

	if (argc != 3 || (trips = atol(argv[2])) < 1) {
		fprintf(stderr, "usage: pingpong cond|spin TRIPS\n");
		return (2);
	}
	if (strcmp(argv[1], "spin") == 0) {
		wait_for = wait_spinning;
		pass = pass_spinning;
	}
	if (pthread_create(&thread, NULL, other, NULL) != 0)
		return (1);
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
