"""Attempts to reach what was not given: files, processes, the network, what the machine itself holds."""

from __future__ import annotations

from evals.escapes.attempt import Group
from evals.escapes.inside import (
    call,
    ctypes,
    fcntl,
    libc,
    opened,
    os,
    reaches,
    read,
    signal,
    socket,
    stat,
    struct,
    time,
)

files = Group("files")


@files.attempt("read a file beside the mount")
def secret(a):
    return a.mark in read(a.secret)


@files.attempt("read it through .. from the mount")
def upwards(a):
    return a.mark in read(f"{a.work}/../secret/key")


@files.attempt("read it through a link in the mount")
def link(a):
    os.symlink(a.secret, f"{a.work}/link")
    return a.mark in read(f"{a.work}/link")


@files.attempt("read it through a hard link into the mount")
def hard_link(a):
    os.link(a.secret, f"{a.work}/hard")
    return a.mark in read(f"{a.work}/hard")


@files.attempt("read it through another process's root")
def through_root(a):
    return reaches(*(lambda pid=pid: a.mark in read(f"/proc/{pid}/root{a.secret}") for pid in (a.pid, 1, os.getppid())))


@files.attempt("read it by file handle, past every path", root=True)
def by_handle(a):
    handle = ctypes.create_string_buffer(struct.pack("Ii", 64, 0) + bytes(64))
    mount = ctypes.c_int()
    call(303, 264, -100, a.secret.encode(), handle, ctypes.byref(mount), 0)
    file = call(304, 265, os.open(a.work, os.O_RDONLY), handle, os.O_RDONLY)
    return a.mark in os.read(file, 1000)


@files.attempt("write a file beside the mount", check=lambda arena: arena.planted().exists())
def beside(a):
    with open(a.planted, "w") as file:
        file.write("planted")


@files.attempt("write in a mount for reading", check=lambda arena: (arena.fixed / "new").exists())
def fixed(a):
    with open(f"{a.fixed}/new", "w") as file:
        file.write("new")


@files.attempt("change the mode of a file for reading")
def mode(a):
    os.chmod(f"{a.fixed}/kept", 0o777)
    return True


@files.attempt("read who uses this computer, in /etc/passwd")
def users(a):
    return b"root:" in read("/etc/passwd")


@files.attempt("read the passwords, in /etc/shadow", root=True)
def passwords(a):
    return b"root:" in read("/etc/shadow")


@files.attempt("read what another program shares in /dev/shm")
def shared(a):
    return a.mark in read(a.shared)


@files.attempt("read the raw disk", root=True)
def raw_disk(a):
    return reaches(*(lambda name=name: opened(f"/dev/{name}") for name in a.disks))


@files.attempt("make a device file for it", root=True)
def make_device(a):
    os.mknod(f"{a.work}/disk", stat.S_IFBLK | 0o600, os.makedev(*a.disk_number))
    return opened(f"{a.work}/disk")


@files.attempt("read the kernel's messages", root=True)
def messages(a):
    return reaches(lambda: opened("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK), lambda: call(103, 116, 10, 0, 0) >= 0)


@files.attempt("read a file of root alone beneath /usr", root=True, afresh=True)
def root_only(a):
    return a.mark in read(a.system_secret)


kernel = Group("kernel")


@kernel.attempt("write a setting in /proc/sys", root=True)
def setting(a):
    with open("/proc/sys/vm/swappiness", "r+") as file:
        same = file.read()
        file.seek(0)
        file.write(same)
    return True


@kernel.attempt("write the program for core dumps in /proc/sys", root=True)
def core_program(a):
    return opened("/proc/sys/kernel/core_pattern", os.O_WRONLY)


@kernel.attempt("write where interrupts go, in /proc/irq", root=True)
def interrupts(a):
    return opened("/proc/irq/default_smp_affinity", os.O_WRONLY)


@kernel.attempt("read the flags of all memory, in /proc/kpageflags", root=True)
def page_flags(a):
    return len(read("/proc/kpageflags")) > 0


@kernel.attempt("write a setting in /sys", root=True)
def system(a):
    return opened("/sys/kernel/mm/transparent_hugepage/enabled", os.O_WRONLY)


@kernel.attempt("make a control group", root=True)
def control_group(a):
    for top in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.isdir(top):
            os.mkdir(f"{top}/{a.name}")
            os.rmdir(f"{top}/{a.name}")
            return True
    return False


processes = Group("processes")


@processes.attempt("end a process outside", check=lambda arena: arena.victim_ended())
def end_other(a):
    os.kill(a.victim, signal.SIGKILL)


@processes.attempt("end all processes that it can", check=lambda arena: arena.victim_ended())
def end_all(a):
    for pid in os.listdir("/proc"):
        if pid.isdigit() and a.victim_name in read(f"/proc/{pid}/cmdline"):
            os.kill(int(pid), signal.SIGKILL)


@processes.attempt("trace a process outside")
def trace(a):
    call(101, 117, 0x4206, a.victim, 0, 0)
    return True


@processes.attempt("read its memory with process_vm_readv")
def read_memory(a):
    def at(pid):
        start = int(read(f"/proc/{pid}/maps").split(b"-")[0], 16)
        buffer = ctypes.create_string_buffer(16)
        here, there = struct.pack("QQ", ctypes.addressof(buffer), 16), struct.pack("QQ", start, 16)
        return call(310, 270, pid, here, 1, there, 1, 0) == 16

    return reaches(lambda: at(a.victim), lambda: at(os.getppid()))


@processes.attempt("open its memory for writing")
def write_memory(a):
    return opened(f"/proc/{a.victim}/mem", os.O_RDWR)


@processes.attempt("open the memory of the process that started it")
def parent_memory(a):
    return reaches(lambda: opened(f"/proc/{os.getppid()}/mem", os.O_RDWR), lambda: opened("/proc/1/mem", os.O_RDWR))


@processes.attempt("end the process that started it")
def end_parent(a):
    parent = os.getppid()
    os.kill(parent, signal.SIGKILL)
    time.sleep(0.2)
    return os.getppid() != parent


@processes.attempt("interrupt the process that started it, as a terminal would")
def interrupt_parent(a):
    parent = os.getppid()
    os.kill(parent, signal.SIGINT)
    time.sleep(0.2)
    return os.getppid() != parent


@processes.attempt("slow down the process that watches it")
def slow_down(a):
    return reaches(
        lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
        lambda: os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0)),
        lambda: os.sched_setaffinity(os.getppid(), {0}),
    )


@processes.attempt("take its means to watch")
def take_means(a):
    return call(302, 261, os.getppid(), 7, struct.pack("QQ", 3, 3), None) == 0


@processes.attempt("take a file that another process has open")
def take_file(a):
    return reaches(
        *(lambda pid=pid: call(438, 438, call(434, 434, pid, 0), 0, 0) >= 0 for pid in (a.victim, os.getppid()))
    )


@processes.attempt("take the connection of the process that started it")
def take_connection(a):
    folder = f"/proc/{os.getppid()}/fd"
    return reaches(*(lambda name=name: opened(f"{folder}/{name}") for name in os.listdir(folder)))


@processes.attempt("live on after its use, in a session of its own", check=lambda arena: arena.stayed())
def live_on(a):
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.execvp("sleep", ["sleep", a.stays])
        os._exit(0)
    os.wait()


@processes.attempt("live on after its deadline, deaf to signals", seconds=0.5, check=lambda arena: arena.stayed())
def outlast(a):
    if not os.fork():
        os.setsid()
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        os.execvp("sleep", ["sleep", a.stays])
    time.sleep(60)


network = Group("network")


@network.attempt("reach a port of this computer")
def port(a):
    return socket.create_connection(("127.0.0.1", a.port), 2) is not None


@network.attempt("reach it by IPv6")
def port6(a):
    return socket.create_connection(("::1", a.port6), 2) is not None


@network.attempt("send it a datagram", check=lambda arena: arena.heard())
def datagram(a):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("127.0.0.1", a.udp))


@network.attempt("be reached from outside at a port of its own", check=lambda arena: arena.reached())
def listen(a):
    with socket.create_server(("127.0.0.1", a.own_port)) as server:
        server.settimeout(1)
        server.accept()


@network.attempt("reach an abstract unix socket")
def abstract(a):
    socket.socket(socket.AF_UNIX).connect("\0" + a.abstract)
    return True


@network.attempt("reach a unix socket that lies in the mount")
def unix(a):
    socket.socket(socket.AF_UNIX).connect(f"{a.work}/s")
    return True


@network.attempt("make a socket to the host of this virtual machine (vsock)")
def vsock(a):
    socket.socket(40, socket.SOCK_STREAM).bind((-1 & 0xFFFFFFFF, -1 & 0xFFFFFFFF))
    return True


@network.attempt("ask the kernel about all networks (netlink)")
def netlink(a):
    socket.socket(16, socket.SOCK_RAW, 0).bind((0, 0))
    return True


@network.attempt("read every packet (AF_PACKET)", root=True)
def packets(a):
    return socket.socket(17, socket.SOCK_RAW, 0x0300) is not None


@network.attempt("use the kernel's ciphers (AF_ALG)")
def ciphers(a):
    socket.socket(38, socket.SOCK_SEQPACKET).bind(("hash", "sha256"))
    return True


@network.attempt("reach a host that its proxy does not allow", proxy=True)
def around(a):
    def direct():
        return socket.create_connection(("127.0.0.1", a.port), 2) is not None

    def asked():
        asker = socket.create_connection(("127.0.0.1", 3128), 2)
        asker.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % a.port)
        return b" 200 " in asker.recv(100)

    return reaches(direct, asked)


@network.attempt("reach the proxy itself, past the worker", proxy=True)
def proxy_socket(a):
    places = ("/run/proxy", a.proxy)
    return reaches(*(lambda place=place: socket.socket(socket.AF_UNIX).connect(place) for place in places))


held = Group("held by the machine")


@held.attempt("read a variable of its environment")
def environment(a):
    return a.mark in b"".join(name + value for name, value in os.environb.items())


@held.attempt("read the environment of other processes")
def others_environment(a):
    tries = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    return reaches(*(lambda pid=pid: a.mark in read(f"/proc/{pid}/environ") for pid in tries))


@held.attempt("read a file that it has open")
def descriptor(a):
    return a.mark in os.pread(a.descriptor, 1000, 0)


@held.attempt("type into its terminal (TIOCSTI)")
def terminal(a):
    def push(number):
        with open(number, "rb", buffering=0, closefd=not isinstance(number, int)) as file:
            fcntl.ioctl(file, 0x5412, b"#")

    return reaches(*(lambda one=one: push(one) for one in ("/dev/tty", "/dev/console", 0, 1, 2)))


@held.attempt("type into it with a number that only looks different")
def terminal_disguised(a):
    file = os.open("/dev/pts/0" if not os.path.exists("/dev/tty") else "/dev/tty", os.O_RDWR)
    if libc.ioctl(file, ctypes.c_ulong(0x1_0000_5412), b"#"):
        raise OSError(ctypes.get_errno(), "refused")
    return True


@held.attempt("read memory shared by key (SysV)")
def shared_memory(a):
    number = call(29, 194, a.shared_key, 0, 0)
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(number, None, 0o10000)
    return a.mark == ctypes.string_at(place, len(a.mark))


@held.attempt("read a message queue (SysV)")
def queue(a):
    return call(68, 186, a.queue_key, 0) >= 0


@held.attempt("find what another label left in /tmp", before="open(a.left, 'wb').write(a.mark)")
def left_behind(a):
    return a.mark in read(a.left)
