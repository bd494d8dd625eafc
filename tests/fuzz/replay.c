/* Runs a fuzz target over saved inputs: every file of every folder named. So inputs that once broke something, and
 * those that reach far, are tried in each build, without libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

enum { LONGEST_INPUT = 1024 * 1024 };

static uint8_t bytes[LONGEST_INPUT];

static bool replay(const char *folder, const char *name)
{
    char path[4096];
    FILE *f;
    size_t len;
    uint8_t *exact;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return false;
    }
    len = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    exact = malloc(len + 1); /* so that reading past the end shows */
    if (!exact)
        return false;
    memcpy(exact, bytes, len);
    exact = realloc(exact, len ? len : 1);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return true;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        if (!folder) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (entry->d_name[0] == '.')
                continue;
            if (!replay(argv[i], entry->d_name))
                return 1;
            count++;
        }
        closedir(folder);
    }
    printf("%zu inputs\n", count);
    return count == 0; /* nothing tried is nothing shown */
}
