"""Python source as a main program, in a process that is a copy of the worker; and the way to the machine's proxy."""

from __future__ import annotations

import select
import sys

signals = __import__("_signal")  # see gemot.boxes.inner.worker


def run_python(source: str) -> int:
    """Run ``source`` as a program's main module; its exit code."""
    import atexit

    signals.signal(signals.SIGINT, signals.default_int_handler)
    sys.path[0] = ""  # where the worker came from; a program looks in its own folder first
    sys.path.append(f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
    sys.argv = ["-c"]
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    code = 0
    try:
        exec(compile(source, "<code>", "exec"), module.__dict__)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        if code == 1 and not isinstance(leaving.code, int):
            sys.stderr.write(f"{leaving.code}\n")
    except BaseException:  # noqa: BLE001 - whatever it is, it ends here
        import traceback

        kind, error, trace = sys.exc_info()
        traceback.print_exception(kind, error, trace and trace.tb_next)
        code = 1
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 120
    return code & 0xFF


def start_relay(socket_path: str) -> None:
    """Carry connections from the box's own network to the machine's proxy, in a thread that may use unix sockets."""
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 3128), backlog=16)

    def carry(near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(socket_path)
            other = {near: far, far: near}
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(65_536)
                    if not data:
                        return
                    other[one].sendall(data)

    def serve() -> None:
        while True:
            near, _ = listener.accept()
            threading.Thread(target=carry, args=(near,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
