hostname agentcage || exit 1
ip link set lo up || exit 1
ip link set eth0 up || exit 1
ip addr add 10.0.2.15/24 dev eth0 || exit 1
ip route add default via 10.0.2.2 || exit 1
{ test ! -d /proc/sys/net/ipv6/conf/eth0 || { echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra && echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; }; } || exit 1
{ test ! -d /proc/sys/net/ipv6/conf/eth0 || ip -6 addr add fec0::15/64 dev eth0; } || exit 1
{ test ! -d /proc/sys/net/ipv6/conf/eth0 || ip -6 route add default via fec0::2 dev eth0; } || exit 1
mkdir -p /lower /live /scratch /root || exit 1
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro system /lower || exit 1
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=mmap live /live || exit 1
mount -t tmpfs -o nosuid,nodev,mode=755,size=50% scratch /scratch || exit 1
mkdir -p /scratch/upper /scratch/work || exit 1
mount -t overlay -o lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work overlay /root || exit 1
mkdir -p /root/proc /root/sys /root/dev || exit 1
mount -t proc -o nosuid,nodev,noexec proc /root/proc || exit 1
mount -t sysfs -o nosuid,nodev,noexec sysfs /root/sys || exit 1
mount --bind /dev /root/dev || exit 1
mkdir -p /dev/pts /dev/shm || exit 1
{ test -e /dev/pts/ptmx || mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666 devpts /dev/pts; } || exit 1
mount -t tmpfs -o nosuid,nodev,mode=1777,size=25% tmpfs /dev/shm || exit 1
mount --bind /dev/pts /root/dev/pts || exit 1
mount --bind /dev/shm /root/dev/shm || exit 1
ln -sfn /proc/self/fd /dev/fd || exit 1
ln -sfn /proc/self/fd/0 /dev/stdin || exit 1
ln -sfn /proc/self/fd/1 /dev/stdout || exit 1
ln -sfn /proc/self/fd/2 /dev/stderr || exit 1
mount --bind '/live/home/person/my project' '/root/home/person/my project' || exit 1
mount --bind /live/data /root/data || exit 1
