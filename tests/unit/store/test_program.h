/* test_program.h - what cmocka wants included before it. */
#ifndef CHATSLUICE_TESTS_TEST_PROGRAM_H
#define CHATSLUICE_TESTS_TEST_PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
