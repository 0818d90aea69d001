/* A native program that times tflite-runtime 2.14 without Python: what latency_truth.py holds ours against.
 *
 *     latency_truth LIBPYTHON EXTENSION MODEL WARMUPS CPU
 *
 * infers until it gets SIGTERM and prints when each timed inference began (CLOCK_MONOTONIC_RAW) and what it
 * took, both in nanoseconds, one inference a line. The extension module of the wheel exports the
 * C++ classes of the runtime under their mangled names; it wants Python's symbols, which are never called.
 * What the classes need is reserved far beyond their size, and the process leaves without destroying them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CAPACITY (1 << 20)

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

/* Returned through a hidden pointer, as a std::unique_ptr is; only its first word is written. */
struct returned {
    void *pointer;
    char unused[120];
};

static void *need(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "no %s: another version of the runtime\n", name);
        exit(2);
    }
    return found;
}

static void *load(const char *path, int flags)
{
    void *library = dlopen(path, flags);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return library;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int count, char **words)
{
    static char resolver[1 << 16], builder[1 << 16];
    if (count != 6)
        return 2;
    signal(SIGTERM, end);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(words[5]), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    load(words[1], RTLD_NOW | RTLD_GLOBAL);
    void *runtime = load(words[2], RTLD_NOW | RTLD_GLOBAL);

    struct returned (*build_from_file)(const char *, void *) =
        need(runtime, "_ZN6tflite4impl15FlatBufferModel13BuildFromFileEPKcPNS_13ErrorReporterE");
    void (*make_resolver)(void *) = need(runtime, "_ZN6tflite3ops7builtin17BuiltinOpResolverC1Ev");
    void (*make_builder)(void *, void *, void *, void *) =
        need(runtime, "_ZN6tflite4impl18InterpreterBuilderC1ERKNS0_15FlatBufferModelERKNS_10OpResolverEPKNS_"
                      "18InterpreterOptionsE");
    int (*build)(void *, void **, int) =
        need(runtime, "_ZN6tflite4impl18InterpreterBuilderclEPSt10unique_ptrINS0_11InterpreterESt14default_"
                      "deleteIS3_EEi");
    int (*allocate)(void *) = need(runtime, "_ZN6tflite4impl11Interpreter15AllocateTensorsEv");
    int (*invoke)(void *) = need(runtime, "_ZN6tflite4impl11Interpreter6InvokeEv");

    void *interpreter = NULL;
    struct returned model = build_from_file(words[3], NULL);
    if (model.pointer == NULL)
        return 2;
    make_resolver(resolver);
    make_builder(builder, model.pointer, resolver, NULL);
    if (build(builder, &interpreter, 1) != 0 || interpreter == NULL || allocate(interpreter) != 0)
        return 2;
    const int warmups = atoi(words[4]);
    int64_t (*samples_ns)[2] = calloc(CAPACITY, sizeof *samples_ns);
    int count_done = 0;
    if (samples_ns == NULL)
        return 2;
    for (int index = 0; index < warmups; index++)
        if (invoke(interpreter) != 0)
            return 2;
    while (!ended && count_done < CAPACITY) {
        const int64_t began_ns = now_ns();
        if (invoke(interpreter) != 0)
            return 2;
        samples_ns[count_done][0] = began_ns;
        samples_ns[count_done++][1] = now_ns() - began_ns;
    }
    for (int index = 0; index < count_done; index++)
        printf("%lld %lld\n", (long long)samples_ns[index][0], (long long)samples_ns[index][1]);
    fflush(stdout);
    _exit(0);
}
