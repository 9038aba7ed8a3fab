/* The console, which is standard output, and the replies to commands. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_private.h"
#include "ul_abi.h"

static int control = -1;
static const char *vmcore;

void
console_setup(int fd, const char *path)
{
	control = fd;
	vmcore = path;
}

void
end(int status)
{
	_exit(status);
}

static void
write_all(int fd, const char *text, size_t length)
{
	ssize_t written;

	while (length > 0) {
		written = write(fd, text, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			end(1);		/* nobody listens any more */
		text += written;
		length -= (size_t)written;
	}
}

void
ul_host_console(const char *text, unsigned long length)
{
	write_all(STDOUT_FILENO, text, length);
}

/* One line: the word, and the text with its line ends folded. */
void
ul_host_reply(const char *word, const char *text)
{
	char line[2048];
	char *p;
	int length;

	length = snprintf(line, sizeof(line) - 1, "%s %s", word, text);
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length] = '\0';
	for (p = line; *p != '\0'; ++p)
		if (*p == '\n')
			*p = ' ';
	line[length] = '\n';
	write_all(control, line, (size_t)length + 1);
}

void
ul_host_panicked(const char *text)
{
	if (vmcore != NULL && module_image(vmcore) != 0)
		fprintf(stderr, "%s: %s\n", vmcore, strerror(errno));
	ul_host_reply("panicked", text);
	end(EXIT_PANICKED);
}
