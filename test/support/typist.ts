/**
 * A Python program. argv[1]: JSON, an argv and pairs of prompt and answer. Runs the command at a new terminal of 30 lines and
 * 90 columns and types each answer when its prompt appears; an answer of rows and columns gives the terminal that size.
 * The command is killed when the program is.
 */
export const TYPIST = `
import ctypes, fcntl, json, os, pty, struct, sys, termios
argv, steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 90, 0, 0))
    os.execv(argv[0], argv)
seen = ''
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    seen += data.decode(errors='replace')
    sys.stdout.write(data.decode(errors='replace'))
    sys.stdout.flush()
    while steps and steps[0][0] in seen:
        seen = seen.split(steps[0][0], 1)[1]
        answer = steps.pop(0)[1]
        if isinstance(answer, dict):
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', answer['rows'], answer['columns'], 0, 0))
        else:
            os.write(terminal, answer.encode())
os.waitpid(pid, 0)
print('steps left:', len(steps))`
