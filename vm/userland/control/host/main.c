/*
 * The program: modules on a machine whose every step a scheduler chooses.  It
 * obeys commands that come line by line on standard input, and answers on
 * standard output, where the last line of an answer is "ok" or "failed WHY",
 * or "ended WHY" when no other command will be answered.
 *
 *	load PATH	the module, in place of the one before
 *	exhaustive call|access
 *	all call|access		the same without reduction
 *	random call|access SEED
 *	pct call|access SEED DEPTH
 *	go COUNT	so many executions more, at most
 *	replay call|access DIRECTIVES
 *
 * go and replay answer with a line for each outcome not seen since the policy
 * was set,
 *
 *	new K N ENDING PROCESS STATEMENT : VALUE... : SCHEDULE : TEXT
 *
 * K numbers outcomes, N is the execution (from 0) that showed it first; then
 * "count K EXECUTIONS" for each outcome, and
 *
 *	sum EXECUTIONS ABANDONED STEPS COMPLETE
 *
 * and after a replay, for each segment, where its process stood before it,
 *
 *	step PROCESS STATEMENT FUNCTION
 */

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_private.h"
#include "ul_abi.h"

static const char *const endings[] = {
	"done", "deadlock", "panic", "trap", "endless", "abandoned", "astray"
};

struct outcome {
	struct outcome	*next;
	enum ul_ending	ending;
	int		process;
	int		statement;
	char		*text;
	unsigned long	count;
	long		value[];
};

static struct outcome *outcomes, **last_outcome = &outcomes;
static unsigned long noutcomes, executions, abandoned, steps;
static int more;

static void *handle;
static const struct ul_scenario *scenario;
static int every_access;

static enum ul_ending ending;
static char text[1024];

void
fail(const char *why)
{
	printf("ended %s\n", why);
	fflush(stdout);
	_exit(1);
}

void
ul_host_ended(enum ul_ending how)
{
	ending = how;
}

void
ul_host_panicked(const char *said)
{
	char *p;

	snprintf(text, sizeof(text), "%s", said);
	for (p = text; *p != '\0'; ++p)
		if (*p == '\n')
			*p = ' ';
	ul_kern_end(UL_PANIC);
}

static void
trapped(int number)
{
	snprintf(text, sizeof(text), "%s", strsignal(number));
	ul_kern_end(UL_TRAP);
}

/* What a broken kernel does to its memory ends an execution, no more. */
static void
traps(void)
{
	static char stack[64 * 1024];
	struct sigaction action = { .sa_handler = trapped,
	    .sa_flags = SA_ONSTACK | SA_NODEFER };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&alternate, NULL);
	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

/* The kernel's console and debugger: a panic's text is all that is kept. */
void
ul_host_console(const char *line, unsigned long length)
{
	(void)line;
	(void)length;
}

void
ul_host_backtrace(void)
{
}

static void
forget_outcomes(void)
{
	struct outcome *o;

	while ((o = outcomes) != NULL) {
		outcomes = o->next;
		free(o->text);
		free(o);
	}
	last_outcome = &outcomes;
	noutcomes = executions = abandoned = steps = 0;
	more = 1;
}

static const char *
load(const char *path)
{
	const char *wrong;

	if (handle != NULL)
		dlclose(handle);
	scenario = NULL;
	watch_nothing();
	forget_outcomes();
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		return (dlerror());
	scenario = dlsym(handle, "ul_scenario");
	if (scenario == NULL)
		return ("the module is not one for controlled schedules");
	wrong = ul_kern_control(scenario);
	if (wrong != NULL)
		scenario = NULL;
	return (wrong);
}

static void
print_process(int process)
{
	int source, target;

	if (process < ul_kern_threads()) {
		printf("t%d", process);
	} else {
		ul_kern_fifo(process, &source, &target);
		printf("c%d>%d", source, target);
	}
}

static void
print_schedule(void)
{
	int n, end;

	for (n = 0; n < schedule_length(); n = end) {
		for (end = n + 1; end < schedule_length(); ++end)
			if (schedule_process(end) != schedule_process(n))
				break;
		putchar(' ');
		print_process(schedule_process(n));
		if (end > n + 1)
			printf("*%d", end - n);
	}
}

/* Each segment of the last execution, and where its process stood before. */
static void
print_steps(void)
{
	const char *where;
	int n, statement;

	for (n = 0; n < schedule_length(); ++n) {
		statement = schedule_statement(n, &where);
		printf("step ");
		print_process(schedule_process(n));
		printf(" %d %s\n", statement, where != NULL ? where : "-");
	}
}

/* Count the outcome of the execution; tell of it when it is a new one. */
static void
count(void)
{
	size_t size = sizeof(long) * (size_t)ul_kern_values();
	const long *value = ul_kern_value();
	int process = ul_kern_running(), statement = 0, n;
	struct outcome *o;
	unsigned long k = 0;

	if (ending == UL_DONE || ending == UL_DEADLOCK) {
		process = 0;
		text[0] = '\0';
	} else {
		size = 0;
		if (process < ul_kern_threads())
			statement = ul_kern_statement(process);
		if (ending == UL_ASTRAY)
			snprintf(text, sizeof(text), "%d", schedule_astray());
		else if (ending == UL_ENDLESS)
			text[0] = '\0';
	}
	for (o = outcomes; o != NULL; o = o->next, ++k)
		if (o->ending == ending && o->process == process &&
		    o->statement == statement &&
		    memcmp(o->value, value, size) == 0 &&
		    strcmp(o->text, text) == 0) {
			++o->count;
			return;
		}
	o = malloc(sizeof(*o) + size);
	if (o == NULL || (o->text = strdup(text)) == NULL)
		fail("out of memory");
	o->next = NULL;
	o->ending = ending;
	o->process = process;
	o->statement = statement;
	o->count = 1;
	memcpy(o->value, value, size);
	*last_outcome = o;
	last_outcome = &o->next;
	++noutcomes;
	printf("new %lu %lu %s ", k, executions - 1, endings[ending]);
	print_process(process);
	printf(" %d :", statement);
	for (n = 0; n < (int)(size / sizeof(long)); ++n)
		printf(" %ld", value[n]);
	printf(" :");
	print_schedule();
	printf(" : %s\n", text);
}

static void
go(unsigned long most)
{
	struct outcome *o;
	unsigned long k = 0;

	while (more && most-- > 0) {
		schedule_next(executions + abandoned);
		ul_kern_execute(every_access);
		steps += (unsigned long)schedule_length();
		if (ending == UL_ABANDONED) {
			++abandoned;
		} else {
			++executions;
			count();
		}
		more = schedule_more(ending);
	}
	for (o = outcomes; o != NULL; o = o->next)
		printf("count %lu %lu\n", k++, o->count);
	printf("sum %lu %lu %lu %d\n", executions, abandoned, steps, !more);
}

static const char *
obey(char *line)
{
	char grain[16] = "", *directives;
	unsigned long long seed = 0;
	const char *wrong;
	int depth = 1;

	if (strncmp(line, "load ", 5) == 0)
		return (load(line + 5));
	if (scenario == NULL)
		return ("no module is loaded");
	if (strncmp(line, "go ", 3) == 0) {
		go(strtoul(line + 3, NULL, 10));
		return (NULL);
	}
	forget_outcomes();
	if (strncmp(line, "replay ", 7) == 0) {
		sscanf(line, "replay %15s", grain);
		every_access = strcmp(grain, "access") == 0;
		schedule_begin(POLICY_REPLAY, 0, 1);
		directives = strchr(line + 7, ' ');
		wrong = schedule_replay(directives != NULL ? directives :
		    line + strlen(line));
		if (wrong == NULL) {
			go(1);
			print_steps();
		}
		return (wrong);
	}
	if (sscanf(line, "exhaustive %15s", grain) == 1)
		schedule_begin(POLICY_EXHAUSTIVE, 0, 1);
	else if (sscanf(line, "all %15s", grain) == 1)
		schedule_begin(POLICY_ALL, 0, 1);
	else if (sscanf(line, "random %15s %llu", grain, &seed) == 2)
		schedule_begin(POLICY_RANDOM, seed, 1);
	else if (sscanf(line, "pct %15s %llu %d", grain, &seed, &depth) == 3 &&
	    depth > 0 && depth <= UL_PROCESSES)
		schedule_begin(POLICY_PCT, seed, depth);
	else
		return ("unknown command");
	every_access = strcmp(grain, "access") == 0;
	return (NULL);
}

int
main(void)
{
	char *line = NULL;
	const char *wrong;
	size_t size = 0;
	ssize_t length;

	traps();
	while ((length = getline(&line, &size, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		wrong = obey(line);
		if (wrong != NULL)
			printf("failed %s\n", wrong);
		else
			printf("ok\n");
		fflush(stdout);
	}
	return (0);
}
