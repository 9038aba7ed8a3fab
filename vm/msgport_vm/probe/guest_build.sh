# Compiles a module in the guest; it comes on the modules' CD beside what it works on.
#
#	sh guest_build.sh tools		what there is to compile with
#	sh guest_build.sh make NAME	NAME.c with its Makefile
#	sh guest_build.sh send NAME	print the NAME.ko that was made
#	sh guest_build.sh clean		leave nothing of it

PATH=$PATH:/bin:/sbin:/usr/bin:/usr/sbin
# No colours.
TERM=dumb
export PATH TERM
place=/tmp/msgport-build

case $1 in
tools)
	for tool in cc make gzip uuencode; do
		command -v $tool >/dev/null || echo "lacks:$tool"
	done
	[ -f /usr/share/mk/bsd.kmod.mk ] || echo "lacks:bsd.kmod.mk"
	# In the order in which bsd.kmod.mk looks for it.
	for folder in /sys /usr/src/sys; do
		[ -f $folder/conf/kmod.mk ] || continue
		echo "sys:$folder"
		while read -r line; do
			case $line in *__DragonFly_version*) echo "$line" ;; esac
		done <$folder/sys/param.h
		break
	done
	command -v cc >/dev/null && cc --version
	exit 0
	;;
make)
	rm -rf $place
	# A root file system that is a CD has no room.
	mkdir $place || { mount -t tmpfs tmpfs /tmp && mkdir $place; } || exit
	cp "${0%/*}/$2.c" "${0%/*}/Makefile" $place && cd $place && make 2>&1
	;;
send)
	[ -f "$place/$2.ko" ] || { echo "make made no $2.ko"; exit 1; }
	gzip -c "$place/$2.ko" | uuencode -m "$2.ko"
	;;
clean)
	rm -rf $place
	;;
esac
