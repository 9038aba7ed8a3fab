/*
 * The stand-in's kernel: LWKT in user space (vm/userland/kern), a process of a
 * Linux guest.  This takes the place of the host half's main.c and console.c,
 * and linker.c that of its module.c.
 *
 * Commands come line by line through a FIFO, one at a time, as
 * "kldload PATH REPLY" or "kldunload NAME REPLY", where REPLY is a FIFO that
 * gets one line; /run/kenv holds the kernel environment, a file a variable.
 * Console text goes to the serial line, as the kernel's would, and into the
 * message buffer, from which dmesg reads.
 *
 * Faults strike on demand.  Variables, all read at kldload:
 *	standin.fault	which; see enum fault
 *	standin.after	lines that a load prints before it strikes
 *	standin.msgbuf	the message buffer's size in bytes, as dmesg shows it
 */

#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "host_private.h"
#include "include/sys/msgbuf.h"
#include "standin.h"
#include "ul_abi.h"

#define COMMANDS	"/run/kernel"
#define ENVIRONMENT	"/run/kenv"
#define SYSCTL		"/run/sysctl"
#define MSGBUF		"/run/msgbuf"
#define MSGBUF_SIZE	(1024 * 1024)
#define SPINS		2000
#define MAXNAMES	64

enum fault {
	FAULT_NONE,
	FAULT_HANG,	/* all stops; a break or an NMI gets the debugger */
	FAULT_DEAF,	/* all stops, and neither helps */
	FAULT_SILENT,	/* the console shows nothing more; all else goes on */
	FAULT_REBOOT,	/* with no word */
	FAULT_POWEROFF,
	FAULT_TORN,	/* on the console, foreign text within every 2nd line */
	FAULT_LOST,	/* every 3rd line is on neither channel */
	FAULT_LOST_CONSOLE, /* every 3rd line is in the message buffer alone */
	FAULT_DOUBLE	/* a double fault */
};

static int console, teller;
static struct last_words *words;
static sem_t answered;
static char answer[2048];
static _Thread_local int tracing;
static _Atomic long fault, after, msgbuf_size = MSGBUF_SIZE;
static _Atomic unsigned long printed;

static void __attribute__((noreturn))
complain(const char *what)
{
	fprintf(stderr, "standin: %s: %s\n", what, strerror(errno));
	exit(1);
}

void
end(int status)
{
	_exit(status);
}

static void __attribute__((noreturn))
stop_the_world(enum stop how)
{
	words->stop = how;
	if (write(teller, "", 1) != 1)
		complain("debugger");
	for (;;)
		pause();
}

static void
to_console(const char *text, size_t length)
{
	ssize_t written;

	while (length > 0) {
		written = write(console, text, length);
		if (written < 0 && errno != EINTR)
			complain(CONSOLE);
		if (written > 0) {
			text += written;
			length -= (size_t)written;
		}
	}
}

/* The message buffer in memory, where modules and QEMU look for it. */
static char ring[MSGBUF_SIZE];
static struct msgbuf msgbuf = { .msg_magic = MSG_MAGIC,
    .msg_size = sizeof(ring), .msg_ptr = ring };
struct msgbuf *msgbufp = &msgbuf;

static void
to_ring(const char *text, size_t length)
{
	while (length-- > 0)
		ring[msgbuf.msg_bufx++ % sizeof(ring)] = *text++;
}

/* As a file: when it has run to twice its size, the older half goes. */
static void
to_msgbuf(const char *text, size_t length)
{
	static int fd = -1;
	size_t size = (size_t)msgbuf_size;
	off_t end;
	char *kept;
	ssize_t count;

	to_ring(text, length);
	if (fd < 0)
		fd = open(MSGBUF, O_RDWR | O_CREAT | O_APPEND | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		complain(MSGBUF);
	end = lseek(fd, 0, SEEK_END);
	if (end < 0 || (size_t)end <= 2 * size)
		return;
	if ((kept = malloc(size)) == NULL)
		complain(MSGBUF);
	count = pread(fd, kept, size, end - (off_t)size);
	close(fd);
	fd = open(MSGBUF ".new", O_RDWR | O_CREAT | O_APPEND | O_TRUNC, 0644);
	if (count < 0 || fd < 0 || write(fd, kept, (size_t)count) != count ||
	    rename(MSGBUF ".new", MSGBUF) != 0)
		complain(MSGBUF);
	free(kept);
}

static void
torn(const char *text, size_t length)
{
	static const char foreign[] = "standin0: a line of another driver\n";
	size_t half = length / 2;

	to_console(text, half);
	to_console(foreign, sizeof(foreign) - 1);
	to_console(text + half, length - half);
}

static void
double_fault(void)
{
	static const char text[] = "DOUBLE FAULT - KERNEL STACK GUARD HIT!\n"
	    "\nFatal double fault\ncpuid = 0; lapic id = 0\n"
	    "panic: double fault\ncpuid = 0\n";

	to_console(text, sizeof(text) - 1);
	to_msgbuf(text, sizeof(text) - 1);
	stop_the_world(STOP_PANIC);
}

void
ul_host_console(const char *text, unsigned long length)
{
	unsigned long n;

	if (tracing) {
		if (words->length + length >= sizeof(words->trace))
			return;
		memcpy(words->trace + words->length, text, length);
		words->length += (unsigned)length;
		return;
	}
	n = printed++;
	if (fault != FAULT_NONE && (long)n >= after) {
		switch ((enum fault)fault) {
		case FAULT_HANG:
			stop_the_world(STOP_HANG);
			break;
		case FAULT_DEAF:
			stop_the_world(STOP_DEAF);
			break;
		case FAULT_SILENT:
			tcflow(console, TCOOFF);
			to_msgbuf(text, length);
			return;
		case FAULT_REBOOT:
			tcdrain(console);
			reboot(RB_AUTOBOOT);
			break;
		case FAULT_POWEROFF:
			tcdrain(console);
			reboot(RB_POWER_OFF);
			break;
		case FAULT_TORN:
			if (n % 2 == 0) {
				torn(text, length);
				to_msgbuf(text, length);
				return;
			}
			break;
		case FAULT_LOST:
			if (n % 3 == 0)
				return;
			break;
		case FAULT_LOST_CONSOLE:
			if (n % 3 == 0) {
				to_msgbuf(text, length);
				return;
			}
			break;
		case FAULT_DOUBLE:
			double_fault();
			break;
		case FAULT_NONE:
			break;
		}
	}
	to_console(text, length);
	to_msgbuf(text, length);
}

void
ul_host_reply(const char *word, const char *text)
{
	char *p;

	snprintf(answer, sizeof(answer), "%s %s", word, text);
	for (p = answer; *p != '\0'; ++p)
		if (*p == '\n')
			*p = ' ';
	sem_post(&answered);
}

void
ul_host_panicked(const char *text)
{
	(void)text;	/* it is on the console */
	tracing = 1;
	ul_host_backtrace();
	stop_the_world(STOP_PANIC);
}

/* What modules ask of the kernel beyond the userland machine's API. */
extern _Thread_local struct thread *ul_curthread;
struct thread	*standin_curthread(void);
int		 ksetenv(const char *, const char *);
int		 kunsetenv(const char *);
int		 kernel_sysctlbyname(char *, void *, size_t *, void *, size_t,
		    size_t *);

char version[256];

struct thread *
standin_curthread(void)
{
	return (ul_curthread);
}

static long
number_in(const char *folder, const char *name, long otherwise)
{
	char path[256], text[64];
	FILE *file;
	long value = otherwise;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if ((file = fopen(path, "r")) == NULL)
		return (otherwise);
	if (fgets(text, sizeof(text), file) != NULL)
		value = strtol(text, NULL, 0);
	fclose(file);
	return (value);
}

/* The kernel's own hand in its environment: what kenv does, for modules. */
int
ksetenv(const char *name, const char *value)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), ENVIRONMENT "/%s", name);
	if ((file = fopen(path, "w")) == NULL)
		return (errno);
	fprintf(file, "%s\n", value);
	return (fclose(file) == 0 ? 0 : EIO);
}

int
kunsetenv(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), ENVIRONMENT "/%s", name);
	return (unlink(path) == 0 ? 0 : -1);
}

int
kernel_sysctlbyname(char *name, void *old, size_t *old_size, void *new,
    size_t new_size, size_t *copied)
{
	int value = (int)number_in(SYSCTL, name, -1);

	(void)new;
	if (value == -1)
		return (ENOENT);
	if (new_size != 0)
		return (EPERM);
	if (*old_size < sizeof(value))
		return (ENOMEM);
	memcpy(old, &value, sizeof(value));
	*old_size = sizeof(value);
	if (copied != NULL)
		*copied = sizeof(value);
	return (0);
}

static void
read_version(void)
{
	FILE *file = fopen(SYSCTL "/kern.version", "r");

	if (file == NULL || fgets(version, sizeof(version), file) == NULL)
		complain(SYSCTL);
	fclose(file);
}

/* The kernel environment as it stands now; what is gone reads as unset. */
static void
read_environment(void)
{
	static char known[MAXNAMES][64];
	DIR *folder = opendir(ENVIRONMENT);
	struct dirent *entry;
	char path[300], text[128];
	FILE *file;
	int n;

	if (folder == NULL)
		complain(ENVIRONMENT);
	for (n = 0; n < MAXNAMES; ++n)
		if (known[n][0] != '\0')
			ul_kern_setenv(known[n], "");
	while ((entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof(path), ENVIRONMENT "/%s", entry->d_name);
		if (entry->d_name[0] == '.' ||
		    strlen(entry->d_name) >= sizeof(known[0]) ||
		    (file = fopen(path, "r")) == NULL)
			continue;
		if (fgets(text, sizeof(text), file) == NULL)
			text[0] = '\0';
		fclose(file);
		text[strcspn(text, "\n")] = '\0';
		for (n = 0; n < MAXNAMES && known[n][0] != '\0' &&
		    strcmp(known[n], entry->d_name) != 0; ++n)
			continue;
		if (n < MAXNAMES)
			strcpy(known[n], entry->d_name);
		if (n == MAXNAMES || ul_kern_setenv(entry->d_name, text) != 0)
			fprintf(stderr, "standin: no room for %s\n",
			    entry->d_name);
	}
	closedir(folder);
	printed = 0;
	after = number_in(ENVIRONMENT, "standin.after", 0);
	msgbuf_size = number_in(ENVIRONMENT, "standin.msgbuf", MSGBUF_SIZE);
	fault = number_in(ENVIRONMENT, "standin.fault", FAULT_NONE);
}

/*
 * Keeps the first CPU's page tables those of this process: a machine's memory
 * is read from outside with the tables that a CPU has, and in a kernel all see
 * the modules.  A process of its own that shares the memory, so that it can go
 * on when all else is stopped; it must not touch what the C library keeps.
 */
static int
anchor(void *arg)
{
	static const struct timespec tick = { 0, 5000000 };
	long result;

	(void)arg;
	for (;;)
		__asm volatile("syscall" : "=a" (result) : "0" (SYS_nanosleep),
		    "D" (&tick), "S" (0) : "rcx", "r11", "memory");
	return (0);
}

static void
start_anchor(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	struct sched_param param = { .sched_priority = 1 };
	cpu_set_t first;

	words->anchor = clone(anchor, stack + sizeof(stack), CLONE_VM | SIGCHLD,
	    NULL);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (words->anchor < 0 ||
	    sched_setaffinity(words->anchor, sizeof(first), &first) != 0 ||
	    sched_setscheduler(words->anchor, SCHED_FIFO, &param) != 0)
		complain("anchor");
}

static void
obey(char *text)
{
	char argument[PATH_MAX], reply[PATH_MAX], verb[16];
	FILE *file;
	int fd;

	if (sscanf(text, "%15s %4095s %4095s", verb, argument, reply) != 3) {
		fprintf(stderr, "standin: what is %s\n", text);
		return;
	}
	if (strcmp(verb, "kldload") == 0) {
		read_environment();
		ul_kern_kldload(argument);
	} else {
		ul_kern_kldunload(argument);
	}
	while (sem_wait(&answered) != 0)
		continue;
	/* Whoever asked may have been killed meanwhile. */
	fd = open(reply, O_WRONLY | O_NONBLOCK);
	if (fd < 0 || (file = fdopen(fd, "w")) == NULL)
		return;
	fprintf(file, "%s\n", answer);
	fclose(file);
}

int
main(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *commands;
	int ends[2];

	words = mmap(NULL, sizeof(*words), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
		complain("debugger");
	switch (fork()) {
	case -1:
		complain("debugger");
		break;
	case 0:
		close(ends[1]);
		debugger(ends[0], words);
		_exit(1);
	}
	teller = ends[1];
	console = open(CONSOLE, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (console < 0)
		complain(CONSOLE);
	/* Open for both, so that it has no end between two commands. */
	if (mkfifo(COMMANDS, 0600) != 0 ||
	    (commands = fopen(COMMANDS, "r+")) == NULL)
		complain(COMMANDS);
	to_msgbuf("", 0);
	sem_init(&answered, 0, 0);
	traps_setup();
	read_version();
	start_anchor();
	ul_kern_boot((int)sysconf(_SC_NPROCESSORS_ONLN), SPINS);
	while (getline(&text, &size, commands) > 0)
		obey(text);
	complain(COMMANDS);
}
