#ifndef _STANDIN_H_
#define _STANDIN_H_

/* What the stand-in's kernel and its debugger know of each other. */

#define CONSOLE		"/dev/ttyS0"

enum stop {
	STOP_PANIC,	/* into the debugger, or a reboot without one */
	STOP_HANG,	/* nothing runs; a break or an NMI gets the debugger */
	STOP_DEAF	/* nothing runs, and neither is heard */
};

struct last_words {
	enum stop	stop;
	int		anchor;	/* the process that goes on all the same */
	unsigned	length;
	char		trace[16384];	/* the panicking thread's stack */
};

/* Waits in a process of its own until told over the pipe to stop the world. */
void	debugger(int told, struct last_words *);

#endif
