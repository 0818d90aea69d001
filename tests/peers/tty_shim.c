/* Lets programs that need a real serial port work on a pty: keeps what a pty has not, parity and modem lines.
 *
 * Preloaded into a process. On file descriptors that are ptys, TIOCMGET/SET/BIS/BIC work on a word in memory, and
 * PARENB, PARODD and the like are remembered by tcsetattr and given back by tcgetattr. Each change of RTS or DTR is
 * appended as a line to the file named by TTY_SHIM_LOG, each change of parity as "parity E", "parity O" or "parity N".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PARITY_FLAGS ((tcflag_t)(PARENB | PARODD))

static int lines = TIOCM_RTS | TIOCM_DTR; /* opening a tty raises both */
static tcflag_t parity;

static int is_pty(int fd)
{
    char name[64];
    return ttyname_r(fd, name, sizeof name) == 0 && strncmp(name, "/dev/pts/", 9) == 0;
}

static void note(const char *text)
{
    const char *path = getenv("TTY_SHIM_LOG");
    FILE *log = path != NULL ? fopen(path, "a") : NULL;
    if (log != NULL) {
        (void)fprintf(log, "%s\n", text);
        (void)fclose(log);
    }
}

static void set_lines(int wanted)
{
    const int changed = wanted ^ lines;
    lines = wanted;
    if ((changed & TIOCM_RTS) != 0) {
        note((wanted & TIOCM_RTS) != 0 ? "rts on" : "rts off");
    }
    if ((changed & TIOCM_DTR) != 0) {
        note((wanted & TIOCM_DTR) != 0 ? "dtr on" : "dtr off");
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    const int modem = request == TIOCMGET || request == TIOCMSET || request == TIOCMBIS || request == TIOCMBIC;
    if (!modem || !is_pty(fd)) {
        int (*next)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
        return next(fd, request, argument);
    }
    int *word = argument;
    switch (request) {
    case TIOCMGET:
        *word = lines;
        break;
    case TIOCMSET:
        set_lines(*word);
        break;
    case TIOCMBIS:
        set_lines(lines | *word);
        break;
    default:
        set_lines(lines & ~*word);
        break;
    }
    return 0;
}

int tcsetattr(int fd, int actions, const struct termios *wanted)
{
    int (*next)(int, int, const struct termios *) =
        (int (*)(int, int, const struct termios *))dlsym(RTLD_NEXT, "tcsetattr");
    if (!is_pty(fd)) {
        return next(fd, actions, wanted);
    }
    struct termios possible = *wanted;
    possible.c_cflag &= ~PARITY_FLAGS;
    const tcflag_t before = parity;
    parity = wanted->c_cflag & PARITY_FLAGS;
    if (parity != before) {
        note((parity & PARENB) == 0 ? "parity N" : (parity & PARODD) != 0 ? "parity O" : "parity E");
    }
    return next(fd, actions, &possible);
}

int tcgetattr(int fd, struct termios *found)
{
    int (*next)(int, struct termios *) = (int (*)(int, struct termios *))dlsym(RTLD_NEXT, "tcgetattr");
    const int result = next(fd, found);
    if (result == 0 && is_pty(fd)) {
        found->c_cflag |= parity;
    }
    return result;
}
