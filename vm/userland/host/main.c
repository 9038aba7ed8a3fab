/*
 * The machine as a process: it boots its virtual CPUs, obeys commands that come
 * line by line on standard input, and is gone when that ends.
 *
 *	kenv NAME=VALUE	set a kernel environment variable
 *	kldload PATH	load a module
 *	kldunload NAME	unload one
 *	vmcore		write the memory image, for a machine that hangs
 *	quit		end
 *
 * Each is answered by one line on the control channel.  This pthread is none
 * of the machine's CPUs: it obeys whatever they do.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_private.h"
#include "ul_abi.h"

#define MAXCPUS		256
#define SPINS		2000	/* about what waking a sleeper costs */

static void
usage(void)
{
	fprintf(stderr, "usage: lwkt --cpus N [--control FD] [--vmcore FILE] "
	    "[--spins N] [--no-traps] [--kenv NAME=VALUE]...\n");
	exit(2);
}

static long
number(const char *text, long low, long high)
{
	char *rest;
	long value;

	errno = 0;
	value = text != NULL ? strtol(text, &rest, 10) : 0;
	if (text == NULL || *text == '\0' || *rest != '\0' || errno != 0 ||
	    value < low || value > high) {
		fprintf(stderr, "lwkt: %s is not a number from %ld to %ld\n",
		    text != NULL ? text : "nothing", low, high);
		exit(2);
	}
	return (value);
}

static void
setenv_command(char *assignment)
{
	char *value = strchr(assignment, '=');
	int error;

	if (value == NULL) {
		ul_host_reply("failed", "kenv: NAME=VALUE expected");
		return;
	}
	*value++ = '\0';
	error = ul_kern_setenv(assignment, value);
	ul_host_reply(error == 0 ? "ok" : "failed", error == 0 ? assignment :
	    "kenv: no room in the kernel environment");
}

/* A variable that stands in the environment when the machine boots. */
static void
boot_environment(char *assignment)
{
	char *value = strchr(assignment, '=');

	if (value == NULL)
		usage();
	*value++ = '\0';
	if (ul_kern_setenv(assignment, value) != 0) {
		fprintf(stderr, "lwkt: no room for %s in the kernel "
		    "environment\n", assignment);
		exit(2);
	}
}

static void
obey(char *line, const char *vmcore)
{
	char *argument = strchr(line, ' ');

	if (argument != NULL)
		*argument++ = '\0';
	else
		argument = line + strlen(line);
	if (strcmp(line, "kenv") == 0)
		setenv_command(argument);
	else if (strcmp(line, "kldload") == 0)
		ul_kern_kldload(argument);
	else if (strcmp(line, "kldunload") == 0)
		ul_kern_kldunload(argument);
	else if (strcmp(line, "vmcore") == 0)
		ul_host_reply(vmcore != NULL && module_image(vmcore) == 0 ?
		    "ok" : "failed", "vmcore");
	else if (strcmp(line, "quit") == 0)
		end(0);
	else
		ul_host_reply("failed", "unknown command");
}

int
main(int argc, char **argv)
{
	const char *vmcore = NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	long cores, cpus = 0, spins = -1;
	int control = STDERR_FILENO, n, traps = 1;

	for (n = 1; n < argc; n += 2) {
		if (strcmp(argv[n], "--no-traps") == 0) {
			traps = 0;
			--n;
			continue;
		}
		if (strcmp(argv[n], "--cpus") == 0)
			cpus = number(argv[n + 1], 1, MAXCPUS);
		else if (strcmp(argv[n], "--control") == 0)
			control = (int)number(argv[n + 1], 0, 1 << 20);
		else if (strcmp(argv[n], "--spins") == 0)
			spins = number(argv[n + 1], 0, 1 << 30);
		else if (strcmp(argv[n], "--kenv") == 0 && n + 1 < argc)
			boot_environment(argv[n + 1]);
		else if (strcmp(argv[n], "--vmcore") == 0 && n + 1 < argc)
			vmcore = argv[n + 1];
		else
			usage();
	}
	if (cpus == 0)
		usage();
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (spins < 0)
		spins = cpus <= cores ? SPINS : 0;
	console_setup(control, vmcore);
	if (traps)
		traps_setup();
	ul_kern_boot((int)cpus, (int)spins);
	ul_host_reply("ready", "lwkt");
	while ((length = getline(&line, &size, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		obey(line, vmcore);
	}
	end(0);
}
