# cmake -DINPUT=FILE -DOUTPUT=FILE.c -DHEADER=store/x.h -DSYMBOL=name -P embed_file.cmake
# Writes a file as `const char name[]` and `const size_t name_length`, which HEADER declares; a NUL follows the bytes.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR length "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "(char)0x\\1," bytes "${hex}")
get_filename_component(name ${INPUT} NAME)
file(WRITE ${OUTPUT} "/* Made from ${name} by embed_file.cmake. */
#include \"${HEADER}\"\n\nconst char ${SYMBOL}[] = {\n${bytes}0};\nconst size_t ${SYMBOL}_length = ${length};\n")
