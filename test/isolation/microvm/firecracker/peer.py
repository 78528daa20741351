#!/usr/bin/python3
"""
In Firecracker's place, in its cage: listens on the API's socket, takes requests as the published description has them and
answers in the program's own words and bytes. It opens what it is told of as Firecracker does: the kernel, the disks, the TAP
device. Started, it plays the guest: its lines on the vsock, and what it writes to its disk.

PLAY is what the test wants of it; everything heard and answered is written down in the file `dialogue` beside the socket.
"""
import fcntl, json, os, re, socket, struct, subprocess, sys, time

PLAY = {}

if sys.argv[1:2] != ["--api-sock"] or len(sys.argv) != 3:
    sys.exit(f"unexpected arguments: {sys.argv[1:]}")
API = sys.argv[2]
OWN = os.path.dirname(API)
DIALOGUE = open(os.path.join(OWN, "dialogue"), "wb", 0)
machine = {}
# What is open stays open, as a device does.
opened = []


class Fault(Exception):
    pass


def main():
    if "dies" in PLAY:
        sys.exit(PLAY["dies"])
    if "deaf" in PLAY:
        time.sleep(600)
    sys.stdout.write("2026-01-31T18:00:00 [anonymous-instance:main] Running Firecracker\n" * PLAY.get("prints", 1))
    sys.stdout.flush()
    server = socket.socket(socket.AF_UNIX)
    server.bind(API)
    server.listen(8)
    while "InstanceStart" not in machine:
        connection, _ = server.accept()
        with connection:
            answer_one(connection)
    play_guest()


def answer_one(connection):
    head, body = receive(connection)
    if not head:
        return  # Somebody looked whether we listen.
    method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
    if PLAY.get("dies at") == path:
        sys.exit("thread 'main' panicked")
    if PLAY.get("breaks off at") == path:
        connection.sendall(b"HTTP/1.1 400 \r\nContent-Length: 600\r\n\r\n{")
        return
    if PLAY.get("silent at") == path:
        time.sleep(600)
    try:
        if PLAY.get("refuses", [None])[0] == path:
            raise Fault(PLAY["refuses"][1])
        take(method, path, json.loads(body))
        answer = b"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"
    except Fault as fault:
        text = json.dumps({"fault_message": str(fault)}).encode()
        answer = (
            b"HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
        )
    DIALOGUE.write(head + b"\r\n\r\n" + body + b"\n\n" + answer.rstrip() + b"\n\n")
    connection.sendall(answer)


def receive(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(4096)
        if not part:
            return b"", b""
        received += part
    head, body = received.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head).group(1))
    while len(body) < length:
        body += connection.recv(4096)
    return head, body


def take(method, path, body):
    pattern = re.sub(r"^/drives/.*", "/drives/{drive_id}", path)
    pattern = re.sub(r"^(/network-interfaces)/.*", r"\1/{iface_id}", pattern)
    fields = PLAY["fields"].get(pattern)
    if method != "PUT" or fields is None:
        raise Fault(f"Invalid request method and/or path: {method} {path}.")
    for name, value in body.items():
        check(name, value, fields.get(name))
    for name, field in fields.items():
        if field.get("required") and name not in body:
            raise Fault(f"An error occurred when deserializing the json body of a request: missing field `{name}`.")
    if path.split("/")[-1] not in (body.get("drive_id"), body.get("iface_id")) and "{" in pattern:
        raise Fault("The id from the path does not match the id from the body!")
    use(pattern, body)
    machine[body.get("action_type", path)] = body


def check(name, value, field):
    if field is None:
        raise Fault(f"An error occurred when deserializing the json body of a request: unknown field `{name}`.")
    kinds = {"string": str, "integer": int, "boolean": bool}
    if type(value) is not kinds[field["type"]] or value not in field.get("enum", [value]):
        raise Fault(f"An error occurred when deserializing the json body of a request: invalid value of `{name}`.")
    if field["type"] == "integer" and not field.get("minimum", 0) <= value <= field.get("maximum", 2**31):
        raise Fault(f"The value of `{name}` is out of bounds.")


def use(pattern, body):
    """Opens what the machine is to have, as Firecracker does, so that a cage that does not show it is found out."""
    if pattern == "/boot-source":
        with open(body["kernel_image_path"], "rb") as kernel:
            if kernel.read(4) != b"\x7fELF":
                raise Fault("Kernel Loader: failed to load ELF kernel image: invalid ELF magic number")
        with open(body["initrd_path"], "rb") as initrd:
            machine["initrd"] = initrd.read()
        if not machine["initrd"].startswith(b"070701"):
            raise Fault("The initrd file is no archive.")
    elif pattern.startswith("/drives/"):
        opened.append(open(body["path_on_host"], "rb" if body["is_read_only"] else "r+b", 0))
        opened[-1].seek(0x438)
        if opened[-1].read(2) != b"\x53\xef":
            raise Fault("Unable to patch the block device: no file system is on it")
    elif pattern.startswith("/network-interfaces/"):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        opened.append(tap)
        # TUNSETIFF with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR, then TUNSETVNETHDRSZ.
        fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", body["host_dev_name"].encode(), 0x5002))
        fcntl.ioctl(tap, 0x400454D8, struct.pack("i", 12))
    elif pattern == "/vsock":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(body["uds_path"])
        opened.append(listener)
    elif pattern == "/actions":
        lacking = {"/boot-source", "/machine-config"} - machine.keys()
        if lacking:
            raise Fault(f"Cannot start the microVM without {lacking}.")


def play_guest():
    guest = PLAY.get("guest", {})
    if "panics" in guest:
        print("[    0.5] Kernel panic - not syncing: " + guest["panics"], flush=True)
        return
    if "silent" in guest:
        time.sleep(600)
    # The list of ports that the guest finds in its first file system.
    initrd = machine["initrd"]
    lines = re.findall(rb"2 (\d+) ([a-z]+\d*)\n", initrd[initrd.rindex(b"2 1024 control\n"):])
    ports = {name.decode(): connect(int(number)) for number, name in lines}
    control = ports["control"].makefile("rwb", 0)
    say = lambda text: control.write(text.encode())
    say(guest.get("says", "hello 2\n"))
    hear(control, b"setup\n")
    say("ready\n")
    hear(control, b"start 0 pipes\n")
    say("started 0\n")
    with open(os.path.join(OWN, "made"), "w") as made:
        made.write("made by the guest\n")
    commands = "\n".join(guest.get("disk", [])) + "\n"
    subprocess.run(
        ["/usr/sbin/debugfs", "-w", "-f", "-", machine["/drives/files"]["path_on_host"]],
        input=commands.encode().replace(b"<made>", made.name.encode()), check=True, stdout=subprocess.DEVNULL,
    )
    if "leaves" in guest:
        return
    output = guest.get("output", "").encode()
    ports["out0"].sendall(output)
    say(f"exit 0 {guest.get('code', 0)} {len(output)} 0\n")
    time.sleep(600)  # A guest waits for its end.


def connect(number):
    """As Firecracker passes on what a guest connects to: each of the host's ports is a socket named after the device's."""
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(f"{machine['/vsock']['uds_path']}_{number}")
    return peer


def hear(control, last):
    for line in control:
        if line == last:
            return
    sys.exit("the host hung up")


main()
