"""The probes that run in a box: each prints ``guarantee<TAB>what did not hold``, and nothing where it holds.

Sent as source to :mod:`gemot.boxes.probes`; ``HOST`` is filled in there with what the prober knows of the outside.
"""

SEEN = r"""
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def broken(guarantee, what):
    print(guarantee, what, sep="\t")

def refused(guarantee, what, attempt, *errors):
    try:
        attempt()
    except OSError as error:
        if errors and error.errno not in errors:
            broken(guarantee, f"{what}: {error}")
    else:
        broken(guarantee, f"{what} was possible")

def call(number, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")

def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

for path in HOST["hidden"]:
    if os.path.exists(path):
        broken("files", f"{path} can be seen")
way = os.path.dirname(HOST["python"])
while os.path.dirname(way) != "/" and way.split("/")[1] in ("home", "root", "srv", "mnt"):
    if len(os.listdir(way)) > 1:
        broken("files", f"{way} can be seen")
    way = os.path.dirname(way)
for path in ("/fixed/new", "/usr/new", "/etc/new", "/new", "/dev/new", "/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness"):
    refused("read-only", f"writing {path}", lambda: write(path))
refused("network", "reaching the machine's own ports", lambda: socket.create_connection(("127.0.0.1", HOST["port"]), 2))
with open("/proc/net/dev") as file:
    devices = {line.split(":")[0].strip() for line in file.readlines()[2:]}
if devices - {"lo"}:
    broken("network", f"there are network devices: {', '.join(sorted(devices))}")
for family in (1, 16, 17, 38, 40):
    refused("network", f"a socket of family {family}", lambda: socket.socket(family, 3 if family in (16, 17) else 1), errno.EAFNOSUPPORT)
if set(os.environ) - set(HOST["environment"]):
    broken("environment", "variables from outside are seen")
try:
    if os.path.getsize("/proc/1/environ") or open("/proc/1/environ", "rb").read():
        broken("environment", "the environment of the first process can be read")
except OSError:
    pass
refused("processes", "finding a process of the machine", lambda: os.kill(HOST["pid"], 0), errno.ESRCH)
refused("processes", "the memory of the first process", lambda: os.close(os.open("/proc/1/mem", os.O_RDWR)))
with open("/proc/self/status") as file:
    status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    if int(status[name], 16):
        broken("privileges", f"{name} is {status[name]}")
if status["NoNewPrivs"] != "1":
    broken("privileges", "new privileges can be had")
refused("privileges", "a new user namespace", lambda: call(HOST["unshare"], 0x10000000))
if status["Seccomp"] != "2":
    broken("calls", "there is no filter of system calls")
for name, number in HOST["calls"].items():
    refused("calls", name, lambda: call(number, 0, 0, 0, 0, 0), errno.EPERM, errno.ENOSYS)
for number in os.listdir("/proc/self/fd"):
    try:
        what = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if int(number) > 2 and not what.startswith("/proc/"):
        broken("descriptors", f"descriptor {number} is {what}")
"""

PROCESS_MEMORY = """
try:
    bytearray(HOST["bytes"])
except MemoryError:
    pass
else:
    print("memory", "one process may take any amount", sep="\\t")
"""

ALL_MEMORY = """
import os, time
for _ in range(HOST["count"]):
    if not os.fork():
        held = bytearray(HOST["bytes"])
        for at in range(0, len(held), 4096):
            held[at] = 1
        time.sleep(10)
time.sleep(10)
"""

TASKS = """
import os, time
try:
    for _ in range(HOST["count"]):
        if not os.fork():
            time.sleep(10)
except OSError:
    os._exit(77)
time.sleep(10)
"""

FILE = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open("/probe/long", "wb", buffering=0) as file:
        for _ in range(HOST["count"]):
            file.write(bytes(1 << 20))
except OSError:
    pass
else:
    print("disk", "a file may have any length", sep="\\t")
"""

SCRATCH = """
try:
    for number in range(HOST["count"]):
        with open(f"/tmp/{number}", "wb", buffering=0) as file:
            if file.write(bytes(1 << 20)) < 1 << 20:
                break
except OSError:
    pass
else:
    print("disk", "the scratch disk has no end", sep="\\t")
"""

FILES = """
for number in range(HOST["count"]):
    open(f"{HOST['folder']}/{number}", "wb").close()
"""

BYTES = """
for number in range(HOST["count"]):
    with open(f"/probe/part{number}", "wb", buffering=0) as file:
        file.write(bytes(1 << 19))
"""
