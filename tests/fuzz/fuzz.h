/* What the harnesses share. Each is a file NAME.c or NAME.lua here, built by `make fuzz` into build/fuzz/fuzz/NAME with libFuzzer,
 * ASan and UBSan, and run by tests/fuzz/run on what tests/fuzz/corpus.lua made. It aborts where what it is told is wrong. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define fuzz_fail(...) (fprintf(stderr, "FUZZ: " __VA_ARGS__), fputc('\n', stderr), abort())
#define fuzz_check(ok, ...) ((ok) ? (void)0 : fuzz_fail(__VA_ARGS__))

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed);
#endif
