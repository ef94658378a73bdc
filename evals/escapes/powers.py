"""Attempts to gain powers: namespaces, capabilities, calls that reach around walls, and code for others to run."""

from __future__ import annotations

from evals.escapes.attempt import Group
from evals.escapes.inside import (
    X86,
    call,
    ctypes,
    errno,
    libc,
    mmap,
    os,
    reaches,
    signal,
    stat,
    struct,
    subprocess,
    time,
)

powers = Group("powers")


@powers.attempt("make a user namespace")
def user_namespace(a):
    call(272, 97, 0x10000000)
    return True


@powers.attempt("make one with clone")
def clone_namespace(a):
    child = call(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return True


@powers.attempt("make one with clone3")
def clone3_namespace(a):
    child = call(435, 435, struct.pack("8Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return True


@powers.attempt("join the namespaces of another process", root=True)
def join(a):
    def enter(pid):
        call(308, 268, os.open(f"/proc/{pid}/ns/uts", os.O_RDONLY), 0)

    return reaches(lambda: enter(a.victim), lambda: enter("self"))


def own_mounts():
    """A view of the disk of its own, so that a mount harms nobody."""
    call(272, 97, 0x00020000 | (0x10000000 if os.geteuid() else 0))
    call(165, 40, b"none", b"/", None, 0x44000, 0)


@powers.attempt("mount something")
def mount(a):
    own_mounts()
    call(165, 40, b"none", a.work.encode(), b"tmpfs", 0, 0)
    return True


@powers.attempt("mount with the new calls (fsopen)")
def new_mount(a):
    own_mounts()
    return call(430, 430, b"tmpfs", 0) >= 0


@powers.attempt("mount one folder over another")
def cover(a):
    own_mounts()
    call(165, 40, a.work.encode(), a.fixed.encode(), None, 0x1000, 0)
    return True


@powers.attempt("change its root folder")
def change_root(a):
    own_mounts()
    call(161, 51, a.work.encode())
    return True


@powers.attempt("change the computer's name to what it is", root=True)
def rename(a):
    name = os.uname().nodename.encode()
    call(170, 161, name, len(name))
    return True


@powers.attempt("load a module into the kernel", root=True)
def module(a):
    try:
        call(313, 273, -1, b"", 0)
    except OSError as error:
        return error.errno == errno.EBADF  # it looked at the file, so it would have loaded one
    return True


@powers.attempt("load a program into the kernel (bpf)", root=True)
def bpf(a):
    os.close(call(321, 280, 0, struct.pack("IIII", 2, 4, 4, 1) + bytes(112), 128))
    return True


@powers.attempt("watch the processor (perf_event_open)", root=True)
def perf(a):
    attributes = struct.pack("IIQ", 1, 112, 0) + bytes(96)
    os.close(call(298, 241, attributes, 0, -1, -1, 0))
    return True


@powers.attempt("make a ring for calls that no filter sees (io_uring)")
def ring(a):
    os.close(call(425, 425, 4, bytes(120)))
    return True


@powers.attempt("stop the kernel at a page of its choice (userfaultfd)")
def page_faults(a):
    os.close(call(323, 282, 1))
    return True


@powers.attempt("put a key on the user's key ring")
def key(a):
    return call(248, 217, b"user", a.name.encode(), b"value", 5, -2) > 0


@powers.attempt("read the user's key ring")
def key_ring(a):
    return call(250, 219, 0, -4, 1) > 0


@powers.attempt("switch off that addresses are random")
def personality(a):
    call(135, 92, 0x0040000)
    return True


@powers.attempt("make a table of memory segments (modify_ldt)")
def segments(a):
    return call(154, None, 0, ctypes.create_string_buffer(64), 64) >= 0


@powers.attempt("make calls the way of 32-bit programs, past the filter")
def other_convention(a):
    if not X86:
        return False
    child = os.fork()
    if not child:
        code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # getpid by the old numbers: mov eax, 20; int 0x80; ret
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        os._exit(0 if function() == os.getpid() else 1)
    return os.waitpid(child, 0)[1] == 0


@powers.attempt("make memory with no file and no owner (memfd)")
def memory_file(a):
    os.close(call(319, 279, b"x", 0))
    return True


@powers.attempt("become another user through a set-user-id program", root=True)
def set_user(a):
    said = subprocess.run([f"{a.work}/as-another", "-u"], capture_output=True, text=True).stdout
    return said.strip() == "12345"


planting = Group("planting")


def marked(arena):
    """Whether a file that would run as its owner lies in the mount."""
    return any(one.lstat().st_mode & 0o6000 for one in arena.work.iterdir() if one.name != "as-another")


@planting.attempt("leave a set-user-id file (chmod)", check=marked)
def set_id(a):
    path = f"{a.work}/tool"
    open(path, "w").close()
    os.chmod(path, 0o4755)


@planting.attempt("leave one (fchmodat2)", check=marked)
def set_id_2(a):
    path = f"{a.work}/tool"
    open(path, "w").close()
    call(452, 452, -100, path.encode(), 0o4755, 0)


@planting.attempt("leave one (open)", check=marked)
def set_id_open(a):
    os.umask(0)
    os.close(os.open(f"{a.work}/tool", os.O_CREAT | os.O_WRONLY, 0o4755))


@planting.attempt("leave one (openat2)", check=marked)
def set_id_open2(a):
    os.umask(0)
    call(437, 437, -100, f"{a.work}/tool".encode(), struct.pack("QQQ", os.O_CREAT | os.O_WRONLY, 0o4755, 0), 24)


@planting.attempt("leave one (mknod)", check=marked)
def set_id_mknod(a):
    os.umask(0)
    os.mknod(f"{a.work}/tool", stat.S_IFREG | 0o4755)


@planting.attempt("leave a hook for git", check=lambda arena: (arena.work / ".git/hooks/pre-commit").exists())
def hook(a):
    with open(f"{a.work}/.git/hooks/pre-commit", "w") as file:
        file.write("#!/bin/sh\n")


@planting.attempt("give git another configuration", check=lambda arena: b"fsmonitor" in arena.git("config"))
def configuration(a):
    with open(f"{a.work}/.git/config", "a") as file:
        file.write("[core]\n\tfsmonitor = ./run-me\n")


@planting.attempt("lead git to one elsewhere (commondir)", check=lambda arena: bool(arena.git("commondir")))
def common(a):
    with open(f"{a.work}/.git/commondir", "w") as file:
        file.write("../evil\n")


@planting.attempt("put another .git in its place", check=lambda arena: b"evil" in arena.git("config"))
def replace(a):
    os.rename(f"{a.work}/.git", f"{a.work}/was-git")
    os.mkdir(f"{a.work}/.git")
    with open(f"{a.work}/.git/config", "w") as file:
        file.write("evil")


@planting.attempt("do so in a repository further down", check=lambda arena: bool(arena.git("hooks/x", "sub/inner")))
def further_down(a):
    with open(f"{a.work}/sub/inner/.git/hooks/x", "w") as file:
        file.write("#!/bin/sh\n")


@planting.attempt("leave a file that a shell runs when it enters", check=lambda arena: (arena.work / ".envrc").exists())
def shell_file(a):
    with open(f"{a.work}/.envrc", "w") as file:
        file.write("evil")


@planting.attempt(
    "leave what an editor runs, deep down and renamed last", check=lambda arena: (arena.work / "d/e/f/.vscode").exists()
)
def editor_file(a):
    os.makedirs(f"{a.work}/d/e/f/innocent")
    with open(f"{a.work}/d/e/f/innocent/tasks.json", "w") as file:
        file.write("evil")
    os.rename(f"{a.work}/d/e/f/innocent", f"{a.work}/d/e/f/.vscode")


@planting.attempt("leave compiled code in place of the source", check=lambda arena: any(arena.work.rglob("*.pyc")))
def compiled(a):
    os.mkdir(f"{a.work}/__pycache__")
    with open(f"{a.work}/__pycache__/helper.cpython-311.pyc", "w") as file:
        file.write("evil")


@planting.attempt(
    "leave a hook where git's link leads", check=lambda arena: (arena.work / "linked-store/hooks/pre-commit").exists()
)
def linked_hook(a):
    with open(f"{a.work}/linked-store/hooks/pre-commit", "w") as file:
        file.write("#!/bin/sh\n")


@planting.attempt(
    "put another .git in place of the link", check=lambda arena: not (arena.work / "linked/.git").is_symlink()
)
def replace_link(a):
    os.unlink(f"{a.work}/linked/.git")
    os.mkdir(f"{a.work}/linked/.git")


@planting.attempt("make a repository of another name", check=lambda arena: (arena.work / "any/config").exists())
def repository(a):
    for name in ("objects", "refs"):
        os.makedirs(f"{a.work}/any/{name}")
    for name in ("HEAD", "config"):
        with open(f"{a.work}/any/{name}", "w") as file:
            file.write("evil")


@planting.attempt(
    "hide one in a folder that it closes",
    check=lambda arena: os.path.lexists(arena.work / "shut/.envrc") or not os.access(arena.work, os.X_OK),
)
def shut(a):
    os.mkdir(f"{a.work}/shut")
    with open(f"{a.work}/shut/.envrc", "w") as file:
        file.write("evil")
    os.chmod(f"{a.work}/shut", 0)


@planting.attempt("close the folder for everybody", check=lambda arena: not arena.work.stat().st_mode & 0o700)
def closed(a):
    os.chmod(a.work, 0)


@planting.attempt("leave its memory in a core dump", check=lambda arena: any(arena.work.glob("core*")))
def core_dump(a):
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    libc.prctl(4, 1, 0, 0, 0)
    child = os.fork()
    if not child:
        os.chdir(a.work)
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(1)
    os.waitpid(child, 0)
