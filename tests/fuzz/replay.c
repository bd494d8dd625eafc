/* Runs a fuzz target over saved inputs, every file of every folder named: so inputs that once broke something, and
 * those that reach far, are tried in each build, without libFuzzer. Then over random edits of them, the same ones each
 * time:
 *
 *     fuzz_TARGET [--edited COUNT] FOLDER... */
#include "fuzz.h"

#include "../unit/wire/mutate.h"

#include <dirent.h>
#include <errno.h>

enum { LONGEST_INPUT = 1024 * 1024, MOST_INPUTS = 4096 };

static struct buf inputs[MOST_INPUTS];
static size_t input_count;

static bool load(const char *folder, const char *name)
{
    static char bytes[LONGEST_INPUT];
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f || input_count == MOST_INPUTS) {
        perror(path);
        return false;
    }
    buf_add(&inputs[input_count++], bytes, fread(bytes, 1, sizeof(bytes), f));
    fclose(f);
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return span_compare(buf_span(a), buf_span(b));
}

static bool load_folder(const char *path)
{
    DIR *folder = opendir(path);
    bool good = folder != NULL;

    if (!folder)
        perror(path);
    for (const struct dirent *entry; good && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            good = load(path, entry->d_name);
    if (folder)
        closedir(folder);
    return good;
}

static void try_input(struct span input)
{
    uint8_t *exact = malloc(input.len ? input.len : 1); /* so that reading past the end shows */

    MUST(exact);
    if (input.len > 0)
        memcpy(exact, input.data, input.len);
    LLVMFuzzerTestOneInput(exact, input.len);
    free(exact);
}

static void try_edited(size_t count)
{
    uint64_t seed = 14;
    struct buf edited = BUF_INIT;

    for (size_t i = 0; i < count; i++) {
        buf_reset(&edited);
        buf_add_span(&edited, buf_span(&inputs[i % input_count]));
        for (size_t rounds = 1 + next_random(&seed) % 3; rounds > 0; rounds--)
            mutate(&edited, &seed);
        try_input(buf_span(&edited));
    }
    buf_release(&edited);
}

int main(int argc, char **argv)
{
    size_t edited = 0;
    int first = 1;

    if (argc > 2 && strcmp(argv[1], "--edited") == 0) {
        edited = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        if (!load_folder(argv[i]))
            return 1;
    if (input_count == 0) {
        fprintf(stderr, "no inputs: nothing tried is nothing shown\n");
        return 1;
    }
    qsort(inputs, input_count, sizeof(inputs[0]), by_bytes); /* readdir's order is of the file system's making */
    for (size_t i = 0; i < input_count; i++)
        try_input(buf_span(&inputs[i]));
    try_edited(edited);
    printf("%zu inputs, %zu edited\n", input_count, edited);
    for (size_t i = 0; i < input_count; i++)
        buf_release(&inputs[i]);
    return 0;
}
