/*
 * The kernel's debugger.  It stops every process but the first, takes the
 * network down, so that ssh falls silent as well, and has the serial line for
 * itself.
 */

#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>

#include <dirent.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "standin.h"

#define PAGE_LINES	20
#define REBOOT_SECONDS	15
#define NMI_LOOK	250	/* ms between two looks for an NMI */
#define SETTING		"/run/sysctl/debug.debugger_on_panic"
#define SECONDS		"/run/kenv/standin.reboot_seconds"

static int line;
static int lines;	/* on this page of a listing */

static void
put(const char *text)
{
	size_t length = strlen(text);

	if (write(line, text, length) != (ssize_t)length)
		_exit(1);
}

static void
restart(void)
{
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static int
get(void)
{
	unsigned char c;

	if (read(line, &c, 1) != 1)
		_exit(1);
	return (c == '\r' ? '\n' : c);
}

static long
number(const char *path, long otherwise)
{
	FILE *file = fopen(path, "r");
	long value;

	if (file == NULL)
		return (otherwise);
	if (fscanf(file, "%ld", &value) != 1)
		value = otherwise;
	fclose(file);
	return (value);
}

static void
network_down(void)
{
	struct ifreq request = { .ifr_name = "eth0" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd >= 0) {
		ioctl(fd, SIOCSIFFLAGS, &request);	/* no flag: not up */
		close(fd);
	}
}

static void
take_console(void)
{
	struct termios settings;

	line = open(CONSOLE, O_RDWR | O_NOCTTY);
	if (line < 0 || tcgetattr(line, &settings) != 0)
		_exit(1);
	settings.c_iflag = PARMRK;	/* a break reads as 0xff 0 0 */
	settings.c_oflag = OPOST | ONLCR;
	settings.c_lflag = 0;
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	tcsetattr(line, TCSANOW, &settings);
	tcflow(line, TCOON);
}

/* A line of a listing; zero when the reader has seen enough. */
static int
list(const char *text)
{
	int c;

	put(text);
	if (++lines < PAGE_LINES)
		return (1);
	put("--More--");
	c = get();
	put("\r");
	lines = c == '\n' ? PAGE_LINES - 1 : 0;
	if (c == '\n' || c == ' ')
		return (1);
	put("\n");
	return (0);
}

static void
ps(void)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	char path[300], text[160], command[32], state;
	FILE *file;
	int group, parent, pid;

	lines = 0;
	if (folder == NULL || !list("  pid      lwp  uid  ppid  pgrp  pflags "
	    "lflags stat  wmesg    wchan cmd\n"))
		return;
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		if ((file = fopen(path, "r")) == NULL)
			continue;
		if (fscanf(file, "%d (%31[^)]) %c %d %d", &pid, command,
		    &state, &parent, &group) == 5) {
			snprintf(text, sizeof(text), "%5d %8d %4d %5d %5d "
			    "%06x %06x  %c                   %s\n", pid,
			    pid, 0, parent, group, 0, 0, state, command);
			if (!list(text)) {
				fclose(file);
				break;
			}
		}
		fclose(file);
	}
	closedir(folder);
}

static void
trace(const struct last_words *words)
{
	const char *end, *p = words->trace;
	char text[512];

	for (lines = 0; *p != '\0'; p = end + 1) {
		end = strchrnul(p, '\n');
		snprintf(text, sizeof(text), "%.*s\n", (int)(end - p), p);
		if (!list(text) || *end == '\0')
			return;
	}
}

static void
read_command(char *text, size_t size)
{
	size_t length = 0;
	int c;

	while ((c = get()) != '\n') {
		if ((c == '\b' || c == 0x7f) && length > 0) {
			--length;
			put("\b \b");
		} else if (c >= ' ' && c < 0x7f && length < size - 1) {
			text[length++] = (char)c;
			text[length] = '\0';
			put(text + length - 1);
		}
	}
	text[length] = '\0';
	put("\n");
}

static void __attribute__((noreturn))
converse(const struct last_words *words)
{
	char text[128];

	tcflush(line, TCIFLUSH);
	put("Stopped at      debugger+0:     (a stand-in shows no code)\n");
	for (;;) {
		put("db> ");
		read_command(text, sizeof(text));
		if (strcmp(text, "trace") == 0)
			trace(words);
		else if (strcmp(text, "ps") == 0)
			ps();
		else if (strcmp(text, "reset") == 0 ||
		    strcmp(text, "call cpu_reset") == 0)
			restart();
		else if (text[0] != '\0')
			put("No such command\n");
	}
}

static void
reboot_later(void)
{
	struct timespec up;
	char text[64];
	long seconds = number(SECONDS, REBOOT_SECONDS);

	clock_gettime(CLOCK_BOOTTIME, &up);
	snprintf(text, sizeof(text), "Uptime: %lds\n", (long)up.tv_sec);
	put(text);
	snprintf(text, sizeof(text), "Automatic reboot in %ld seconds - ",
	    seconds);
	put(text);
	put("press a key on the console to abort\n");
	sleep((unsigned)seconds);
	put("Rebooting...\n");
	restart();
}

/* How many NMIs the machine got: what an operator's button sends. */
static long
nmis(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char *p, *rest, text[1024];
	long count = 0, one;

	if (file == NULL)
		return (0);
	while (fgets(text, sizeof(text), file) != NULL) {
		if ((p = strstr(text, "NMI:")) == NULL)
			continue;
		for (p += 4; (one = strtol(p, &rest, 10), rest != p); p = rest)
			count += one;
	}
	fclose(file);
	return (count);
}

/* Wait until there is something to read, or an NMI came: then zero. */
static int
wait_or_nmi(int fd)
{
	static long known = -1;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	long now;

	for (;;) {
		if (poll(&wait, 1, NMI_LOOK) > 0)
			return (1);
		now = nmis();
		if (known >= 0 && now > known) {
			known = now;
			return (0);
		}
		known = now;
	}
}

static void
wait_for_break(void)
{
	int before[2] = { 0, 0 }, c;

	while (wait_or_nmi(line)) {
		c = get();
		if (before[0] == 0xff && before[1] == 0 && c == 0)
			return;
		before[0] = before[1];
		before[1] = c;
	}
	put("NMI ... going to debugger\n");
}

/* That one's page tables stay those of the kernel's process. */
static void
leave_first_cpu(void)
{
	cpu_set_t others;
	long cpu, count = sysconf(_SC_NPROCESSORS_ONLN);

	CPU_ZERO(&others);
	for (cpu = 1; cpu < count; ++cpu)
		CPU_SET((int)cpu, &others);
	if (count > 1)
		sched_setaffinity(0, sizeof(others), &others);
}

void
debugger(int told, struct last_words *words)
{
	char c;
	int nmi = !wait_or_nmi(told);

	if (!nmi && read(told, &c, 1) != 1)
		_exit(1);
	leave_first_cpu();
	kill(-1, SIGSTOP);
	kill(words->anchor, SIGCONT);
	network_down();
	take_console();
	if (nmi) {
		put("NMI ... going to debugger\n");
		converse(words);
	}
	switch (words->stop) {
	case STOP_PANIC:
		if (number(SETTING, 1) == 0)
			reboot_later();
		break;
	case STOP_HANG:
		wait_for_break();
		break;
	case STOP_DEAF:
		for (;;)
			pause();
	}
	converse(words);
}
