/* seeds FOLDER: the small files of weights that the C tests have, into it; tests/fuzz/corpus.lua takes them from there. */
#include "../c/formats_samples.h"

int main(int argc, char **argv) {
  if (argc != 2 || chdir(argv[1])) return 2;
  static const struct { const char *name; Bytes (*make)(void); } kinds[] = {
    {"safetensors", sample_safetensors}, {"zip", sample_zip}, {"stream", sample_stream}, {"tar", sample_tar}, {"npy", sample_npy}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    Bytes b = kinds[i].make();
    FILE *f = fopen(kinds[i].name, "wb");
    if (!f || fwrite(b.p, 1, b.n, f) != b.n || fclose(f)) return 1;
    free(b.p);
  }
  unlink("sample.safetensors");
  unlink("sample.pth");
  unlink("sample.npy");
  return 0;
}
