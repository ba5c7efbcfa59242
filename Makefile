# Suture: see README.md. `make demo` and `make test` need nothing else; `make help` lists the rest.

PREFIX  ?= /usr/local
B       ?= build
CC      ?= cc
HOSTCC  ?= $(CC)
MPICC   ?= mpicc
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Werror
CFLAGS  ?= -O2 -g
STD      = -std=c11 -D_GNU_SOURCE -fPIC -fopenmp -fno-math-errno -fno-trapping-math -ffp-contract=off
LUAPC   := $(firstword $(foreach p,lua5.4 lua-5.4 lua54 lua,$(shell pkg-config --exists $(p) 2>/dev/null && echo $(p))) lua5.4)
PKGS     = $(LUAPC) openblas zlib libpng libjpeg libzip libdeflate jansson libcrypto libutf8proc
# libcurl and Cairo are loaded when they are needed: their headers are enough (core/fetch.h, core/draw.h)
DEBS     = gcc make pkg-config liblua5.4-dev libreadline-dev libopenblas-dev libpng-dev libjpeg-dev libzip-dev libdeflate-dev libjansson-dev libssl-dev libcurl4-openssl-dev libcairo2-dev libutf8proc-dev libncurses-dev chafa lua-argparse
MPIDEBS  = libopenmpi-dev openmpi-bin
TESTDEBS = lua5.4 lua-busted libcmocka-dev python3

# ---- nothing to change below ----
$(if $(filter-out Linux,$(shell uname -s)),$(warning Suture builds on Linux only: the compiler will stop at core/threads.c; make deps says more))
,       := ,
O       := $(if $(SANITIZE),$(B)/)
# clang's OpenMP calls another library than gcc's, whose place core/threads.c takes; what it says of loops that stay scalar is no fault.
CLANG   := $(if $(findstring clang,$(shell $(CC) --version)),core/threads.c)
LINK     = $(if $(MPI),$(MPICC),$(CC))
MPIOBJ   = $(B)/lua/bind/mpi.$(notdir $(MPICC)).o
LINKER   = link$(subst /,-,$(O))
LINKED   = $(B)/$(LINKER).list
FUZZ    := $(filter fuzz,$(SANITIZE))
SAN     := $(if $(SANITIZE),-fsanitize=$(if $(filter thread,$(SANITIZE)),thread,address$(,)undefined$(if $(FUZZ),$(,)fuzzer-no-link)) -fno-omit-frame-pointer)
SAN     += $(if $(FUZZ),-fno-sanitize-recover=undefined -D__SANITIZE_ADDRESS__)
INC      = -I. -Icore -I$(B) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS     = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -ltinfo -lm -lpthread $(if $(CLANG),-fopenmp)
COMPILE  = $(CC) $(STD) $(WARN) $(if $(CLANG),-Wno-pass-failed) $(INC) $(CFLAGS) $(SAN) $(DEFINES) -MMD -MP

# The instruction sets follow the compiler's target, see core/dispatch.c.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ISAS     = $(if $(filter x86_64,$(MACHINE)),sse2 avx2 avx512,$(if $(filter aarch64 arm64,$(MACHINE)),neon,generic))
KOPT     = $(if $(FUZZ),-O0,$(if $(SANITIZE),-O1,-O3))
ISA_generic = $(KOPT)
ISA_neon   = $(KOPT)
ISA_sse2   = $(KOPT)
ISA_avx2   = $(KOPT) -mavx2 -mfma
ISA_avx512 = $(KOPT) -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512

OPS      = $(sort $(basename $(notdir $(wildcard core/ops/*.c))))
BINDS    = $(sort $(basename $(notdir $(wildcard lua/bind/*.c))))
LUALIB   = $(sort $(shell find lua -name '*.lua' -o -name '*.html' -o -name '*.css' -o -name '*.js') $(wildcard examples/lessons/*.md))
KSRC     = $(wildcard core/kernels/*.c)
CORE     = $(filter-out $(CLANG),$(wildcard core/*.c core/passes/*.c core/ops/*.c core/formats/*.c core/image/*.c))
KOBJ     = $(foreach i,$(ISAS),$(KSRC:%.c=$(B)/%.$(i).o))
COREOBJ  = $(CORE:%.c=$(B)/%.o) $(KOBJ) $(B)/ops.gen.o
BINDOBJ  = $(patsubst %.c,$(B)/%.o,$(wildcard lua/*.c lua/bind/*.c))
LUAOBJ   = $(if $(MPI),$(BINDOBJ:$(B)/lua/bind/mpi.o=$(MPIOBJ)),$(BINDOBJ)) $(B)/bind.gen.o $(B)/lualib.gen.o
REPLOBJ  = $(patsubst %.c,$(B)/%.o,$(wildcard repl/*.c))
HARNESS  = $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(filter-out %/script.c %/seeds.c,$(wildcard tests/fuzz/*.c)))
LUAFUZZ  = $(patsubst tests/fuzz/%.lua,$(B)/fuzz/%,$(filter-out %/quiet.lua %/corpus.lua,$(wildcard tests/fuzz/*.lua)))
CTESTS   = $(patsubst tests/c/%.c,$(B)/tests/%,$(wildcard tests/c/test_*.c))

all: $(O)suture $(O)suture.so ## build both; plain `make` does (MPI=1: for several machines)

$(B)/core.a: $(COREOBJ)
	@rm -f $@
	ar rcsT $@ $^
$(O)suture: $(LUAOBJ) $(REPLOBJ) $(B)/core.a $(LINKED)
	@mkdir -p $(@D)
	$(LINK) $(CFLAGS) $(SAN) -Wl,-E -o $@ $(filter-out %.list,$^) $(LIBS) -lreadline
$(O)suture.so: $(LUAOBJ) $(B)/core.a $(LINKED)
	$(LINK) $(CFLAGS) $(SAN) -shared -Wl,-z,nodelete -o $@ $(filter-out %.list,$^) $(LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<
# make MPI=1: this one file, and the linker, by MPICC, which is installed where it is missing.
$(MPIOBJ): lua/bind/mpi.c | mpideps
	$(subst $(CC) $(STD),$(MPICC) $(STD),$(COMPILE)) -DSUTURE_MPI -c -o $@ $<
mpideps:
	@command -v $(MPICC) >/dev/null || scripts/deps $(MPIDEBS)
$(B)/%.gen.o: $(B)/%.gen.c
	$(COMPILE) -c -o $@ $<
define isa_rule
$(B)/core/kernels/%.$(1).o: core/kernels/%.c
	@mkdir -p $$(@D)
	$$(COMPILE) $$(ISA_$(1)) $$(if $$(FUZZ),-fno-sanitize=undefined) -DISA=$(1) -DISA_$(1) -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$(i))))

$(B)/core/dispatch.o: DEFINES = $(ISAS:%=-DHAS_%)

# Generated: the op registry, the list of bindings, the embedded Lua library. Remade when the folder's list changes.
$(B)/ops.gen.c: scripts/gen $(B)/ops.list
	scripts/gen ops $(OPS) > $@
$(B)/bind.gen.c: scripts/gen $(B)/bind.list
	scripts/gen bind $(BINDS) > $@
$(B)/lualib.gen.c: scripts/gen $(B)/chunks $(LUALIB) $(B)/lualib.list
	$(B)/chunks $(B)/chunks.of $(LUALIB)
	scripts/gen lualib $(B)/chunks.of $(LUALIB) > $@
$(B)/chunks: scripts/chunks.c
	@mkdir -p $(@D)
	$(HOSTCC) $(STD) $(WARN) -o $@ $< $(shell env -u PKG_CONFIG_LIBDIR -u PKG_CONFIG_SYSROOT_DIR pkg-config --cflags --libs $(LUAPC))
define list_rule
$(B)/$(1).list: FORCE
	@mkdir -p $(B); echo $($(2)) | cmp -s - $$@ || echo $($(2)) > $$@
endef
$(foreach l,ops:OPS bind:BINDS lualib:LUALIB $(LINKER):LINK,$(eval $(call list_rule,$(firstword $(subst :, ,$l)),$(lastword $(subst :, ,$l)))))

$(B)/tests/%: $(B)/tests/c/%.o $(B)/core.a
	$(CC) $(CFLAGS) $(SAN) -o $@ $< $(B)/core.a $(LIBS) -lcmocka
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/core.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SAN) -fsanitize=fuzzer -o $@ $^ $(LIBS)
$(LUAFUZZ): $(B)/tests/fuzz/script.o $(LUAOBJ) $(B)/core.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SAN) -fsanitize=fuzzer -o $@ $^ $(LIBS)
$(B)/bench/%: $(B)/scripts/bench/%.o $(B)/core.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SAN) -o $@ $^ $(LIBS)

deps:            ## install the packages that are missing, by the names of this system's package manager
	@scripts/deps $(DEBS)
demo:            ## install what is missing, build, and show transfer learning, offline
	@scripts/deps $(DEBS)
	@$(MAKE) --no-print-directory -j$$(nproc) suture
	./suture examples/demo.lua
test:            ## build and run every test but parity
	@scripts/deps $(DEBS) $(TESTDEBS)
	@$(MAKE) --no-print-directory -j$$(nproc) all ctests
	@B=$(B) O=$(O) tests/run $(KINDS)
ctests: $(CTESTS) $(B)/bench/conv
parity: all      ## compare with PyTorch and torchvision (Debian's python3-torch, python3-torchvision)
	@tests/parity/run
parity-all: all  ## the same with every model of the zoo; takes an hour
	@tests/parity/run --all
asan:            ## the tests under AddressSanitizer (leaks too) and UBSan
	@$(MAKE) --no-print-directory test SANITIZE=1 B=build/asan CFLAGS="-O1 -g"
tsan:            ## the C tests, and training with four threads, under ThreadSanitizer
	@$(MAKE) --no-print-directory -j$$(nproc) all ctests SANITIZE=thread B=build/tsan CFLAGS="-O1 -g"
	@TSAN_OPTIONS=die_after_fork=0 B=build/tsan O=build/tsan/ tests/run c training
fuzz:            ## every reader and the engine under libFuzzer, ASan and UBSan (SECONDS=n each, by default 60; SEED=n; ONLY="png csv")
	@scripts/deps $(DEBS) clang libclang-rt-dev libomp-dev libcmocka-dev python3
	@$(MAKE) --no-print-directory -j$$(nproc) all $(B)/tests/fuzz/seeds
	@$(MAKE) --no-print-directory -j$$(nproc) fuzzers SANITIZE=fuzz B=build/fuzz CC=clang CFLAGS="-O1 -g" \
	  ISAS="$(or $(filter avx2,$(ISAS)),$(ISAS))"
	@SECONDS=$(or $(SECONDS),60) tests/fuzz/run $(ONLY)
fuzzers: $(HARNESS) $(LUAFUZZ)
$(B)/tests/fuzz/seeds: $(B)/tests/fuzz/seeds.o $(B)/core.a
	$(CC) $(CFLAGS) $(SAN) -o $@ $^ $(LIBS) -lcmocka
arm:             ## for 64-bit ARM: cross-built, and the C tests and some of the Lua tests under qemu-user (FEW=1: a few)
	@tests/arm $(if $(FEW),few)
faults: all      ## 5,000 runs with failed allocations, 300 kills while saving, full disks (RUNS=n, KILLS=n, SEED=n)
	@RUNS=$(or $(RUNS),5000) KILLS=$(or $(KILLS),300) SECONDS_EACH=86400 B=$(B) O=$(O) tests/run faults
docs: all        ## the reference as one page with a search, man pages, and ---@meta files for the Lua language server
	@mkdir -p $(B)/docs/man $(B)/docs/meta
	./suture -q scripts/docs.lua $(B)/docs
	@echo "$(B)/docs/reference.html  $(B)/docs/man  $(B)/docs/meta"
isas:            ## the instruction sets that the kernels are built for
	@echo $(ISAS)
debs:            ## the Debian packages that a build needs
	@echo $(DEBS)
keys: all        ## 10,000 random key sequences at the prompt (KEYS=n for n, SEED=n for others)
	@KEYS=$(or $(KEYS),10000) SECONDS_EACH=86400 B=$(B) O=$(O) tests/run repl -m test_keys
bench: all       ## ratios to PyTorch and ONNX Runtime; scripts/bench/run --help says more
	@scripts/bench/run
peers:           ## install what bench compares with: Debian packages, and ONNX Runtime by npm under build/
	@scripts/deps python3-torch python3-torchvision libopenblas0-openmp $(if $(shell command -v npm),,nodejs npm)
	npm install --silent --ignore-scripts --prefix build/peers onnxruntime-node
install: all     ## binary, Lua module, man page and the network that examples open, under PREFIX
	install -Dm755 suture $(DESTDIR)$(PREFIX)/bin/suture
	install -Dm755 suture.so $(DESTDIR)$(PREFIX)/lib/lua/5.4/suture.so
	install -Dm644 repl/suture.1 $(DESTDIR)$(PREFIX)/share/man/man1/suture.1
	install -Dm644 examples/shapes-resnet20.safetensors $(DESTDIR)$(PREFIX)/share/suture/examples/shapes-resnet20.safetensors
clean:           ## remove all that was built
	rm -rf build suture suture.so
help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*##/make \1\t/p' Makefile

.PHONY: all deps mpideps demo test ctests parity parity-all asan tsan faults fuzz fuzzers arm docs isas debs keys bench peers install clean help FORCE
.SECONDARY:
-include $(shell find $(B) -path $(B)/arm/root -prune -o -path $(B)/root -prune -o -type f -name '*.d' -print 2>/dev/null)
