/* Semaphores, pthreads, memory and clocks for the kernel half. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ul_abi.h"

#define STACK_SIZE	(512 * 1024)
#define CACHE_LINE	64

struct ul_sem {
	pthread_mutex_t	mutex;
	pthread_cond_t	cond;
	int		count;
};

struct start {
	void		(*func)(void *);
	void		*arg;
};

struct ul_sem *
ul_host_sem_new(void)
{
	struct ul_sem *sem = calloc(1, sizeof(*sem));
	pthread_condattr_t attr;

	if (sem == NULL)
		abort();
	pthread_mutex_init(&sem->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sem->cond, &attr);
	pthread_condattr_destroy(&attr);
	return (sem);
}

void
ul_host_sem_free(struct ul_sem *sem)
{
	/* Its last poster may still be on its way out. */
	pthread_mutex_lock(&sem->mutex);
	pthread_mutex_unlock(&sem->mutex);
	pthread_cond_destroy(&sem->cond);
	pthread_mutex_destroy(&sem->mutex);
	free(sem);
}

void
ul_host_sem_post(struct ul_sem *sem)
{
	pthread_mutex_lock(&sem->mutex);
	++sem->count;
	pthread_cond_signal(&sem->cond);
	pthread_mutex_unlock(&sem->mutex);
}

void
ul_host_sem_wait(struct ul_sem *sem, long long timeout_ns)
{
	struct timespec end;
	int error = 0;

	if (timeout_ns >= 0) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		timeout_ns += end.tv_nsec;
		end.tv_sec += (time_t)(timeout_ns / 1000000000);
		end.tv_nsec = (long)(timeout_ns % 1000000000);
	}
	pthread_mutex_lock(&sem->mutex);
	while (sem->count == 0 && error == 0)
		error = timeout_ns < 0 ?
		    pthread_cond_wait(&sem->cond, &sem->mutex) :
		    pthread_cond_timedwait(&sem->cond, &sem->mutex, &end);
	if (sem->count > 0)
		--sem->count;
	pthread_mutex_unlock(&sem->mutex);
}

/*
 * Not pthread_exit(), which unwinds the stack: a thread of a module may leave
 * when the module, whose frames are still on its stack, is gone already.
 */
static _Thread_local jmp_buf bottom;

static void *
started(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	if (setjmp(bottom) == 0)
		start.func(start.arg);
	return (NULL);
}

int
ul_host_thread(void (*func)(void *), void *arg)
{
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	if (start == NULL)
		return (ENOMEM);
	start->func = func;
	start->arg = arg;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	error = pthread_create(&thread, &attr, started, start);
	pthread_attr_destroy(&attr);
	if (error != 0)
		free(start);
	return (error);
}

void
ul_host_thread_exit(void)
{
	longjmp(bottom, 1);
}

void
ul_host_yield(void)
{
	sched_yield();
}

void *
ul_host_alloc(unsigned long size)
{
	void *memory;

	/* A virtual CPU and a FIFO want cache lines of their own. */
	if (posix_memalign(&memory, CACHE_LINE, size != 0 ? size : 1) != 0)
		return (NULL);
	return (memset(memory, 0, size));
}

void
ul_host_free(void *memory)
{
	free(memory);
}

static unsigned long long
now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ((unsigned long long)ts.tv_sec * 1000000000 +
	    (unsigned long long)ts.tv_nsec);
}

unsigned long long
ul_host_nanotime(void)
{
	return (now(CLOCK_MONOTONIC));
}

unsigned long long
ul_host_walltime(void)
{
	return (now(CLOCK_REALTIME));
}
