#ifndef _STANDIN_MSGBUF_H_
#define _STANDIN_MSGBUF_H_

/* As DragonFly lays it out: it is read from outside. */
struct msgbuf {
	unsigned int	 msg_magic;
#define MSG_MAGIC	0x063064
	unsigned int	 msg_size;	/* of the ring */
	unsigned int	 msg_bufx;	/* where to write; runs on */
	unsigned int	 msg_bufr;	/* the oldest text; runs on */
	char		*msg_ptr;	/* the ring */
	unsigned int	 msg_bufl;
	unsigned int	 msg_unused01;
};

extern struct msgbuf *msgbufp;

#endif
