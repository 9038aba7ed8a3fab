/*
 * Sets variables of the kernel's environment, for a guest without kenv(1).
 * The host writes over the text of settings in this module's file before each
 * load: lines NAME=VALUE, or NAME for a variable that is to go.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

#define ROOM	2048	/* as in guest_environment.py */

static volatile char settings[ROOM] = "@msgport-environment@\n";

static int
environment_line(char *line)
{
	char *value;

	for (value = line; *value != '\0' && *value != '='; ++value)
		continue;
	if (*value == '\0')
		return (kunsetenv(line) == 0 ? 0 : ENOENT);
	*value++ = '\0';
	return (ksetenv(line, value) == 0 ? 0 : ENOSPC);
}

static int
environment_modevent(module_t mod, int type, void *unused)
{
	char line[128];
	int error, length, n;

	(void)mod;
	(void)unused;
	if (type != MOD_LOAD)
		return (0);
	for (length = n = 0; n < ROOM && settings[n] != '\0'; ++n) {
		if (settings[n] != '\n') {
			if (length == (int)sizeof(line) - 1)
				return (E2BIG);
			line[length++] = settings[n];
			continue;
		}
		line[length] = '\0';
		length = 0;
		error = environment_line(line);
		if (error != 0)
			return (error);
	}
	return (0);
}

static moduledata_t environment_data = {
	"msgport_environment",
	environment_modevent,
	NULL
};

DECLARE_MODULE(msgport_environment, environment_data, SI_SUB_PSEUDO,
    SI_ORDER_ANY);
