/*
 * Who goes on: by chance, by priorities that change at a few points (PCT:
 * Burckhardt et al., ASPLOS 2010), as a person or a model says, or so that
 * every execution comes up that differs in what depends on what (dynamic
 * partial-order reduction: Flanagan and Godefroid, POPL 2005, with the source
 * sets of Abdulla et al., POPL 2014, and sleep sets).
 *
 * Two segments depend on each other if both touch the same memory and one
 * writes it, if both send to one FIFO, or if one keeps the other's CPU or its
 * IPIs from it meanwhile.  What a segment touches is seen, not foretold, so
 * that no model of the message ports has a part in it.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control_private.h"

#define MAXSTEPS	4096		/* of one execution */
#define MAXACCESSES	1000000
#define WORDS		8
#define OBJECTS		(64 * WORDS)
#define MAXSENT		8

typedef uint64_t set_t;			/* of processes */

#define IN(set, n)	((set) >> (n) & 1)
#define ONE(n)		((set_t)1 << (n))

/* What a segment did that another's may depend on. */
struct mark {
	uint64_t	reads[WORDS];
	uint64_t	writes[WORDS];
	struct ul_region region;
	int		process;
	int		fatal;		/* nobody goes on after it */
};

struct event {
	set_t		enabled;	/* before it */
	struct mark	mark;
	uint64_t	acquired[WORDS];	/* locks */
	uint64_t	released[WORDS];
	uint64_t	awaited[WORDS];
	set_t		woke;
	int		sent[MAXSENT];
	int		nsent;
	int		delivers;
	int		statement;	/* of a thread, where it stood */
	const char	*where;
	int		order;		/* among its process's events, from 1 */
	unsigned short	clock[UL_PROCESSES];
};

/* What is left to try where an event of the present execution was chosen. */
struct node {
	set_t		todo;
	set_t		done;		/* tried, and all that followed */
	set_t		asleep;		/* their turn would bring nothing new */
	struct mark	mark[UL_PROCESSES];	/* of those done or asleep */
};

static struct event *events;
static struct node *nodes;
static int nevents;
static int *forced;			/* the choices of this execution */
static int nforced;			/* so many were made beforehand */
static int touched;
static unsigned long accesses;

static enum policy policy;
static unsigned long long base, state;
static int depth, longest;
static int priority[UL_PROCESSES];
static int change[UL_PROCESSES];

/* Small numbers for addresses, the same in every execution. */
static struct {
	uintptr_t	address;
	int		number;
} objects[2 * OBJECTS];
static int nobjects;

struct directive {
	int		process;
	int		count;		/* segments, if that is what counts */
	int		statement;	/* until it stands before it */
	int		sleep;		/* until it sleeps */
	int		over;		/* until the IPI is delivered */
	char		where[32];	/* until it is inside that function */
};

static struct directive *directives;
static int ndirectives, directive, progress, astray, by_name;

static unsigned long long
draw(void)
{
	unsigned long long z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31);
}

static int
object(uintptr_t address)
{
	unsigned slot = (unsigned)(address * 0x9e3779b97f4a7c15ull >> 40) %
	    (2 * OBJECTS);

	while (objects[slot].address != 0 && objects[slot].address != address)
		slot = (slot + 1) % (2 * OBJECTS);
	if (objects[slot].address == 0) {
		if (nobjects == OBJECTS)
			fail("too many places in memory are shared");
		objects[slot].address = address;
		objects[slot].number = nobjects++;
	}
	return (objects[slot].number);
}

static void
mark(uint64_t *set, uintptr_t address)
{
	int n = object(address);

	set[n / 64] |= ONE(n % 64);
	touched = 1;
}

void
ul_host_touch(const volatile void *address, int size, int write)
{
	struct mark *m = &events[nevents - 1].mark;
	uintptr_t at = (uintptr_t)address / 4;

	if (++accesses > MAXACCESSES)
		ul_kern_end(UL_ENDLESS);
	for (; at <= ((uintptr_t)address + (uintptr_t)size - 1) / 4; ++at)
		mark(write ? m->writes : m->reads, at);
}

void
ul_host_touch_fifo(int process)
{
	/* No memory has that address. */
	mark(events[nevents - 1].mark.writes, 1 + (uintptr_t)process);
}

void
ul_host_acquire(const volatile void *lock)
{
	mark(events[nevents - 1].acquired, (uintptr_t)lock);
	ul_host_touch(lock, sizeof(int), 1);
}

void
ul_host_release(const volatile void *lock)
{
	mark(events[nevents - 1].released, (uintptr_t)lock);
}

void
ul_host_wait(const volatile void *lock)
{
	mark(events[nevents - 1].awaited, (uintptr_t)lock);
}

/* Whoever wants to stop inside a function gets to every one. */
int
ul_host_pauses(int alone)
{
	return ((touched && !alone) || by_name);
}

void
ul_host_woke(int process)
{
	if (nevents > 0)
		events[nevents - 1].woke |= ONE(process);
}

void
ul_host_sent(int process)
{
	struct event *e = &events[nevents - 1];

	if (e->nsent == MAXSENT)
		fail("too many IPIs at once");
	e->sent[e->nsent++] = process;
	touched = 1;
}

void
ul_host_segment_over(const struct ul_region *region)
{
	events[nevents - 1].mark.region = *region;
	touched = 0;
}

/*
 * Dependence.
 */
static int
overlap(const uint64_t *a, const uint64_t *b)
{
	int n;

	for (n = 0; n < WORDS; ++n)
		if (a[n] & b[n])
			return (1);
	return (0);
}

static int
meet(const struct ul_region *r, const struct ul_region *s)
{
	return (r->cpu == s->cpu || r->also == s->cpu || s->also == r->cpu);
}

/* One keeps the other out for a while, whichever comes first. */
static int
exclude(const struct mark *a, const struct mark *b)
{
	const struct ul_region *r = &a->region, *s = &b->region;

	if (!meet(r, s) || (!r->first && !r->ipi && !s->ipi))
		return (0);
	if (r->ipi != s->ipi) {
		if (r->ipi) {
			r = &b->region;
			s = &a->region;
		}
		/* A thread's r, and s that interrupts it or may not. */
		return (s->first && (r->masks || s->holds));
	}
	return (r->first && s->first && (r->holds || s->holds));
}

static int
dependent(const struct mark *a, const struct mark *b)
{
	return (a->process == b->process || exclude(a, b) ||
	    overlap(a->writes, b->writes) || overlap(a->writes, b->reads) ||
	    overlap(a->reads, b->writes));
}

/* Whether event `at' is before one whose clock is given. */
static int
before(int at, const unsigned short *clock)
{
	return (events[at].order <= clock[events[at].mark.process]);
}

static void
join(unsigned short *clock, const unsigned short *other)
{
	int n;

	for (n = 0; n < UL_PROCESSES; ++n)
		if (other[n] > clock[n])
			clock[n] = other[n];
}

/* The last event of the turn that event `at' began, before event `end'. */
static int
end_of_turn(int at, int end)
{
	int n, last = at;

	for (n = at; n < end && events[last].mark.region.holds; ++n)
		if (events[n].mark.process == events[at].mark.process)
			last = n;
	return (last);
}

/* Likewise, of the time in which its CPU took no IPIs. */
static int
end_of_mask(int at, int end)
{
	int n, last = at;

	for (n = at + 1; n < end; ++n)
		if (events[n].mark.process == events[at].mark.process) {
			if (!events[n].mark.region.masked)
				break;
			last = n;
		}
	return (last);
}

/* Event `at' could not come before this one without all of its turn. */
static int
amid(const struct mark *at, const struct mark *e)
{
	const struct ul_region *r = &at->region, *s = &e->region;

	if (!meet(r, s))
		return (0);
	if (r->ipi || !s->ipi)
		return (!r->first);
	return (r->masked);
}

/*
 * Two dependent events in an order that could be the other one: let it be so,
 * by one of the processes that can begin what leads there.
 */
static void
reverse(int first, int second)
{
	struct node *node = &nodes[first];
	set_t can = 0, among = events[first].enabled, seen;
	int h, n, process;

	/* What is not after the first, and of that what can come at once. */
	for (n = first + 1; n <= second; ++n) {
		if (n != second && before(first, events[n].clock))
			continue;
		/* What was never seen may depend on all that came. */
		if (n == nevents && can != 0)
			break;
		process = events[n].mark.process;
		for (h = first + 1; h < n; ++h)
			if (!before(first, events[h].clock) &&
			    before(h, events[n].clock))
				break;
		if (h == n)
			can |= ONE(process);
	}
	seen = node->todo | node->done;
	if (can & seen)
		return;
	if ((can & among) == 0)
		node->todo |= among;
	else if (IN(can & among, events[second].mark.process))
		node->todo |= ONE(events[second].mark.process);
	else
		node->todo |= can & among & -(can & among);
}

/* Give an event its clock; find what it could have come before. */
static void
look_at(int at)
{
	struct event *e = &events[at];
	unsigned short *clock = e->clock, released[UL_PROCESSES];
	int f, n, nth = 0, process = e->mark.process;

	memset(clock, 0, sizeof(e->clock));
	e->order = 1;
	/* Before anything else: what made it possible. */
	for (f = at - 1; f >= 0; --f)
		if (events[f].mark.process == process) {
			memcpy(clock, events[f].clock, sizeof(e->clock));
			e->order = events[f].order + 1;
			break;
		}
	clock[process] = (unsigned short)e->order;
	for (f = 0; f <= at; ++f) {
		if (IN(events[f].woke, process))
			join(clock, events[f].clock);
		nth += e->delivers && events[f].delivers &&
		    events[f].mark.process == process;
	}
	for (f = 0; f < at && nth > 0; ++f)
		for (n = 0; n < events[f].nsent; ++n)
			if (events[f].sent[n] == process && --nth == 0)
				join(clock, events[f].clock);
	/* Who had the CPU or a lock first is open; not that it let it go. */
	memcpy(released, clock, sizeof(released));
	for (f = at - 1; f >= 0; --f) {
		if (overlap(events[f].released, e->acquired))
			join(released, events[f].clock);
		if (exclude(&events[f].mark, &e->mark)) {
			n = e->mark.region.ipi && !events[f].mark.region.ipi ?
			    end_of_mask(f, at) : end_of_turn(f, at);
			join(released, events[n].clock);
		}
		if (before(f, clock) || amid(&events[f].mark, &e->mark))
			continue;
		/* That one waits for a lock changes nothing for the others. */
		if (!dependent(&events[f].mark, &e->mark) &&
		    !overlap(events[f].acquired, e->awaited))
			continue;
		reverse(f, at);
		join(clock, events[f].clock);
	}
	join(clock, released);
}

/* Who is kept out in the end might have been there first. */
static void
look_at_kept_out(void)
{
	struct event *e = &events[nevents];
	const volatile void *lock;
	struct ul_region region;
	int process;

	for (process = 0; process < ul_kern_processes(); ++process) {
		if (!ul_kern_kept_out(process, &region, &lock))
			continue;
		memset(e, 0, sizeof(*e));
		e->mark.process = process;
		e->mark.region = region;
		e->delivers = region.ipi && region.first;
		if (lock != NULL)
			mark(e->awaited, (uintptr_t)lock);
		look_at(nevents);
	}
}

/*
 * Choosing.
 */
static int
lowest(set_t set)
{
	return (__builtin_ctzll(set));
}

/*
 * A process that sleeps where an execution was abandoned, for it would end it:
 * an earlier execution ended so, and what else was to come then is only here.
 */
static int
would_end(void)
{
	const struct node *node = &nodes[nevents];
	set_t set = node->asleep & events[nevents].enabled;

	for (; set != 0; set &= set - 1)
		if (node->mark[lowest(set)].fatal)
			return (1);
	return (0);
}

/* Who needs no turn here: it would bring what an earlier execution brought. */
static void
put_to_sleep(int at)
{
	struct node *node = &nodes[at], *last = node - 1;
	set_t set;
	int q;

	memset(node, 0, offsetof(struct node, mark));
	if (at == 0)
		return;
	set = (last->asleep | last->done) & ~ONE(events[at - 1].mark.process);
	for (; set != 0; set &= set - 1) {
		q = lowest(set);
		if (dependent(&last->mark[q], &events[at - 1].mark))
			continue;
		node->asleep |= ONE(q);
		node->mark[q] = last->mark[q];
	}
}

static int
choose_new(set_t enabled, int current)
{
	struct node *node = &nodes[nevents];
	set_t can;
	int process;

	put_to_sleep(nevents);
	if (policy == POLICY_ALL)
		node->asleep = 0;
	can = enabled & ~node->asleep;
	if (can == 0)
		return (UL_ABANDON);
	process = current >= 0 && IN(can, current) ? current : lowest(can);
	node->todo = policy == POLICY_ALL ? enabled : ONE(process);
	return (process);
}

static int
choose_random(set_t enabled)
{
	int n = (int)(draw() % (unsigned)__builtin_popcountll(enabled));

	while (n-- > 0)
		enabled &= enabled - 1;
	return (lowest(enabled));
}

static int
choose_first_by_priority(set_t enabled, int current)
{
	int n, best = -1;

	for (n = 0; n < depth - 1; ++n)
		if (change[n] == nevents && current >= 0)
			priority[current] = n;
	for (; enabled != 0; enabled &= enabled - 1)
		if (best < 0 || priority[lowest(enabled)] > priority[best])
			best = lowest(enabled);
	return (best);
}

/* Whether the process has come to where its directive sends it. */
static int
obeyed(const struct directive *d)
{
	const char *where;

	if (progress == 0)
		return (0);
	if (d->count > 0)
		return (progress == d->count);
	if (d->over)
		return (!ul_kern_delivering(d->process));
	if (d->sleep)
		return (ul_kern_sleeps(d->process));
	where = ul_kern_where(d->process);
	if (d->where[0] != '\0')
		return (where != NULL && strcmp(where, d->where) == 0);
	return (where == NULL && !ul_kern_sleeps(d->process) &&
	    (ul_kern_statement(d->process) == 0 ||
	    ul_kern_statement(d->process) >= d->statement));
}

static int
choose_as_told(set_t enabled, int current)
{
	if (directive < ndirectives && obeyed(&directives[directive])) {
		++directive;
		progress = 0;
	}
	if (directive == ndirectives)
		return (current >= 0 && IN(enabled, current) ? current :
		    lowest(enabled));
	if (!IN(enabled, directives[directive].process)) {
		astray = directive;
		ul_kern_end(UL_ASTRAY);
	}
	++progress;
	return (directives[directive].process);
}

int
ul_host_choose(unsigned long long enabled, int current)
{
	struct event *e;
	int process;

	if (nevents == MAXSTEPS)
		ul_kern_end(UL_ENDLESS);
	switch (policy) {
	case POLICY_EXHAUSTIVE:
	case POLICY_ALL:
		process = nevents < nforced ?
		    forced[nevents] : choose_new(enabled, current);
		break;
	case POLICY_RANDOM:
		process = choose_random(enabled);
		break;
	case POLICY_PCT:
		process = choose_first_by_priority(enabled, current);
		break;
	default:
		process = choose_as_told(enabled, current);
		break;
	}
	e = &events[nevents];
	memset(e, 0, sizeof(*e));
	e->enabled = enabled;
	if (process == UL_ABANDON)
		return (process);
	if (nevents < nforced && !IN(enabled, process))
		fail("the same schedule went another way: this machine is not "
		    "deterministic");
	e->mark.process = process;
	if (process < ul_kern_threads()) {
		e->statement = ul_kern_statement(process);
		e->where = ul_kern_where(process);
	}
	forced[nevents++] = process;
	touched = 0;
	return (process);
}

void
ul_host_delivers(void)
{
	events[nevents - 1].delivers = 1;
}

/*
 * From one execution to the next.
 */
void
schedule_begin(enum policy which, unsigned long long seed, int bugs)
{
	if (events == NULL) {
		events = calloc(MAXSTEPS + 1, sizeof(*events));
		nodes = calloc(MAXSTEPS + 1, sizeof(*nodes));
		forced = calloc(MAXSTEPS, sizeof(*forced));
		if (events == NULL || nodes == NULL || forced == NULL)
			fail("out of memory");
	}
	policy = which;
	base = seed;
	depth = bugs;
	longest = 1;
	nforced = 0;
	nobjects = 0;
	memset(objects, 0, sizeof(objects));
	ndirectives = by_name = 0;
}

void
schedule_next(unsigned long long number)
{
	int n, other, swap, count = ul_kern_processes();

	nevents = touched = directive = progress = 0;
	astray = -1;
	accesses = 0;
	state = base * 0x2545f4914f6cdd1dull + number;
	if (policy != POLICY_PCT)
		return;
	for (n = 0; n < count; ++n)
		priority[n] = depth + n;
	for (n = count - 1; n > 0; --n) {
		other = (int)(draw() % (unsigned)(n + 1));
		swap = priority[n];
		priority[n] = priority[other];
		priority[other] = swap;
	}
	for (n = 0; n < depth - 1; ++n)
		change[n] = (int)(draw() % (unsigned)longest);
}

/* The execution is over; is there another to make? */
int
schedule_more(enum ul_ending ending)
{
	int fatal = ending == UL_PANIC || ending == UL_TRAP ||
	    ending == UL_ENDLESS;
	struct node *node;
	set_t left;
	int n;

	if (nevents > longest)
		longest = nevents;
	if (policy == POLICY_REPLAY)
		return (0);
	if (policy == POLICY_RANDOM || policy == POLICY_PCT)
		return (1);
	if (fatal) {
		/* It keeps all others from all that they would have done. */
		events[nevents - 1].mark.fatal = 1;
		nodes[nevents - 1].todo |= events[nevents - 1].enabled;
	}
	for (n = 0; n < nevents && policy == POLICY_EXHAUSTIVE; ++n)
		look_at(n);
	if (policy == POLICY_EXHAUSTIVE &&
	    (ending != UL_ABANDONED || would_end()))
		look_at_kept_out();
	for (n = nevents - 1; n >= 0; --n) {
		node = &nodes[n];
		node->mark[forced[n]] = events[n].mark;
		node->done |= ONE(forced[n]);
		left = node->todo & ~node->done & ~node->asleep;
		if (left != 0) {
			forced[n] = lowest(left);
			nforced = n + 1;
			return (1);
		}
	}
	return (0);
}

int
schedule_length(void)
{
	return (nevents);
}

int
schedule_process(int step)
{
	return (forced[step]);
}

/* Where the process stood: its statement, and the function it was inside. */
int
schedule_statement(int step, const char **where)
{
	*where = events[step].where;
	return (events[step].statement);
}

int
schedule_astray(void)
{
	return (astray);
}

/*
 * Directives, separated by spaces.  A thread is tN, the IPIs from CPU I to CPU
 * J are cI>J.  Alone: one segment; tN*K: so many; tN:S until it stands before
 * statement S or has finished; tN@F until it is inside function F; tN! until it
 * sleeps; cI>J! until the IPI is delivered.
 */
static const char *
parse(char *word, struct directive *d)
{
	char *rest;
	int source, target, from, to;

	memset(d, 0, sizeof(*d));
	if (*word == 't') {
		d->process = (int)strtol(word + 1, &rest, 10);
		if (rest == word + 1 || d->process >= ul_kern_threads())
			return ("there is no such thread");
	} else if (*word == 'c') {
		source = (int)strtol(word + 1, &rest, 10);
		if (*rest != '>')
			return ("cI>J expected");
		target = (int)strtol(rest + 1, &rest, 10);
		for (d->process = ul_kern_threads();; ++d->process) {
			if (d->process == ul_kern_processes())
				return ("there are no such CPUs");
			ul_kern_fifo(d->process, &from, &to);
			if (from == source && to == target)
				break;
		}
	} else {
		return ("tN or cI>J expected");
	}
	switch (*rest) {
	case '\0':
		d->count = 1;
		return (NULL);
	case '*':
		d->count = (int)strtol(rest + 1, &rest, 10);
		return (*rest == '\0' && d->count > 0 ? NULL :
		    "a count expected");
	case '!':
		d->sleep = *word == 't';
		d->over = *word == 'c';
		return (rest[1] == '\0' ? NULL : "nothing may follow a !");
	case ':':
		d->statement = (int)strtol(rest + 1, &rest, 10);
		return (*word == 't' && *rest == '\0' && d->statement > 0 ?
		    NULL : "a statement expected");
	case '@':
		if (*word != 't' || strlen(rest + 1) >= sizeof(d->where))
			return ("a function expected");
		strcpy(d->where, rest + 1);
		by_name = 1;
		return (NULL);
	default:
		return ("*, :, @, ! or a space expected");
	}
}

const char *
schedule_replay(char *text)
{
	const char *wrong;
	char *word;

	free(directives);
	directives = calloc(strlen(text) / 2 + 1, sizeof(*directives));
	if (directives == NULL)
		fail("out of memory");
	ndirectives = 0;
	for (word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		if ((wrong = parse(word, &directives[ndirectives++])) != NULL)
			return (wrong);
	return (NULL);
}
