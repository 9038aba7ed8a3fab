/*
 * tsleep and wakeup: sleep queues by the address slept on, each with a lock.
 * A waker takes sleepers off a queue under its lock and schedules them after
 * it, since scheduling may have to wait for room in a FIFO.
 */

#include "kern_private.h"
#include <sys/serialize.h>
#include <sys/spinlock2.h>

#define BUCKETS		256

static struct bucket {
	int		lock;
	lwkt_queue	threads;
} __cachealign buckets[BUCKETS];

/* Empty, whoever slept before. */
void
ul_sleepqueues_boot(void)
{
	bzero(buckets, sizeof(buckets));
}

static struct bucket *
bucket_of(const volatile void *ident)
{
	uintptr_t hash = (uintptr_t)ident;

	hash ^= hash >> 16;
	return (&buckets[(hash ^ hash >> 5) % BUCKETS]);
}

static void
lock_bucket(struct bucket *bucket)
{
	++curthread->td_critcount;
	ul_lock(&bucket->lock);
	if (bucket->threads.tqh_last == NULL)
		TAILQ_INIT(&bucket->threads);
}

static void
unlock_bucket(struct bucket *bucket)
{
	ul_unlock(&bucket->lock);
	--curthread->td_critcount;
}

/*
 * Only the thread itself puts it on a queue, anybody takes it off.  Taking the
 * flag off comes last: without it the thread is free to go to another queue.
 * With it td_wchan says which queue that is, and must not change.
 */
static int
remove_locked(struct bucket *bucket, thread_t td)
{
	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return (0);
	TAILQ_REMOVE(&bucket->threads, td, td_sleepq);
	td->td_flags &= ~TDF_TSLEEPQ;
	return (1);
}

void
tsleep_remove(thread_t td)
{
	struct bucket *bucket;

	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return;
	bucket = bucket_of(td->td_wchan);
	lock_bucket(bucket);
	remove_locked(bucket, td);
	unlock_bucket(bucket);
}

void
tsleep_interlock(const volatile void *ident, int flags __unused)
{
	thread_t td = curthread;
	struct bucket *bucket = bucket_of(ident);

	tsleep_remove(td);
	lock_bucket(bucket);
	td->td_wchan = ident;
	td->td_flags |= TDF_TSLEEPQ;
	TAILQ_INSERT_TAIL(&bucket->threads, td, td_sleepq);
	unlock_bucket(bucket);
}

/*
 * Only threads of a process get signals and there is none here, so PCATCH
 * changes nothing.
 */
int
tsleep(const volatile void *ident, int flags, const char *wmesg, int timo)
{
	thread_t td = curthread;
	struct bucket *bucket;
	int error = 0;

	KASSERT(ident != NULL, ("tsleep: no ident"));
	ul_poll();
	crit_enter_quick(td);
	if ((flags & PINTERLOCKED) == 0)
		tsleep_interlock(ident, flags);
	bucket = bucket_of(ident);
	lock_bucket(bucket);
	/* An interlock on something else is none on this, and stays. */
	if ((td->td_flags & TDF_TSLEEPQ) && td->td_wchan == ident) {
		td->td_wmesg = wmesg;
		td->td_flags |= TDF_TSLEEP_DESCHEDULED;
		lwkt_deschedule_self(td);
		if (timo != 0)
			ul_timeout_add(mycpu, td, timo);
		unlock_bucket(bucket);
		/* Nothing but a wakeup or the timeout ends it. */
		while (td->td_flags & TDF_TSLEEP_DESCHEDULED) {
			lwkt_deschedule_self(td);
			lwkt_switch();
		}
		lwkt_schedule_self(td);
		ul_timeout_remove(mycpu, td);
		if (td->td_flags & TDF_TIMEOUT) {
			td->td_flags &= ~TDF_TIMEOUT;
			error = EWOULDBLOCK;
		}
		td->td_wmesg = NULL;
	} else {
		unlock_bucket(bucket);
	}
	crit_exit_quick(td);
	return (error);
}

int
ssleep(const volatile void *ident, struct spinlock *spin, int flags,
    const char *wmesg, int timo)
{
	int error;

	tsleep_interlock(ident, flags);
	spin_unlock(spin);
	error = tsleep(ident, flags | PINTERLOCKED, wmesg, timo);
	spin_lock(spin);
	return (error);
}

int
zsleep(const volatile void *ident, struct lwkt_serialize *slz, int flags,
    const char *wmesg, int timo)
{
	int error;

	ASSERT_SERIALIZED(slz);
	tsleep_interlock(ident, flags);
	lwkt_serialize_exit(slz);
	error = tsleep(ident, flags | PINTERLOCKED, wmesg, timo);
	lwkt_serialize_enter(slz);
	return (error);
}

/*
 * On the sleeper's own CPU only: were the flag taken off by another, the
 * sleeper could go on, even exit, before that CPU has scheduled it.
 */
static void
awaken(void *arg)
{
	thread_t td = arg;

	td->td_flags &= ~TDF_TSLEEP_DESCHEDULED;
	ul_enqueue(td);
}

static void
wake(const volatile void *ident, int one, int mycpu_only)
{
	struct bucket *bucket = bucket_of(ident);
	lwkt_queue woken = TAILQ_HEAD_INITIALIZER(woken);
	thread_t td, next;
	u_int asleep;

	ul_poll();
	/* Whoever was woken must not run before this loop has let go of it. */
	crit_enter();
	lock_bucket(bucket);
	TAILQ_FOREACH_MUTABLE(td, &bucket->threads, td_sleepq, next) {
		if (td->td_wchan != ident ||
		    (mycpu_only && td->td_gd != mycpu))
			continue;
		/* One that only set its interlock finds out by itself. */
		asleep = td->td_flags & TDF_TSLEEP_DESCHEDULED;
		remove_locked(bucket, td);
		if (asleep) {
			TAILQ_INSERT_TAIL(&woken, td, td_sleepq);
			if (one)
				break;
		}
	}
	unlock_bucket(bucket);
	TAILQ_FOREACH_MUTABLE(td, &woken, td_sleepq, next) {
		if (td->td_gd == mycpu)
			awaken(td);
		else
			ul_send_wakeup(td->td_gd, awaken, td);
	}
	crit_exit();
}

void
wakeup(const volatile void *ident)
{
	wake(ident, 0, 0);
}

void
wakeup_one(const volatile void *ident)
{
	wake(ident, 1, 0);
}

void
wakeup_mycpu(const volatile void *ident)
{
	wake(ident, 0, 1);
}

void
ul_timeout_add(globaldata_t gd, thread_t td, int timo)
{
	thread_t at;

	td->td_ul_deadline = ul_host_nanotime() +
	    (unsigned long long)timo * (1000000000ull / (u_int)hz);
	TAILQ_FOREACH(at, &gd->gd_timeoutq, td_timeoutq)
		if (at->td_ul_deadline > td->td_ul_deadline)
			break;
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, td, td_timeoutq);
	else
		TAILQ_INSERT_TAIL(&gd->gd_timeoutq, td, td_timeoutq);
}

void
ul_timeout_remove(globaldata_t gd, thread_t td)
{
	if (td->td_ul_deadline != 0) {
		TAILQ_REMOVE(&gd->gd_timeoutq, td, td_timeoutq);
		td->td_ul_deadline = 0;
	}
}

void
ul_timeouts_expire(globaldata_t gd)
{
	unsigned long long now = ul_host_nanotime();
	struct bucket *bucket;
	thread_t td;
	int removed;

	while ((td = TAILQ_FIRST(&gd->gd_timeoutq)) != NULL &&
	    td->td_ul_deadline <= now) {
		ul_timeout_remove(gd, td);
		bucket = bucket_of(td->td_wchan);
		lock_bucket(bucket);
		removed = remove_locked(bucket, td);
		if (removed) {
			td->td_flags |= TDF_TIMEOUT;
			td->td_flags &= ~TDF_TSLEEP_DESCHEDULED;
		}
		unlock_bucket(bucket);
		/* If not, a wakeup was first and schedules it. */
		if (removed)
			ul_enqueue(td);
	}
}

void
ul_look_at_clock(globaldata_t gd)
{
	thread_t td = curthread;

	if (!TAILQ_EMPTY(&gd->gd_timeoutq) && ++gd->gd_polls % 64 == 0) {
		++td->td_critcount;
		ul_timeouts_expire(gd);
		--td->td_critcount;
	}
}
