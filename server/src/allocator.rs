//! The allocator of a whole process, libtorch's too, since a program's `malloc` comes before the C library's. Passes
//! differ in size with every request, and the C library keeps the holes between tensors that live long: memory would
//! grow (tests/bench/soak). A module of programs and not of the library, whose fuzzers bring another one.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a batch needed goes back to the kernel within a second, so that resident memory tells what is in use.
#[expect(
    unsafe_code,
    reason = "jemalloc reads its settings from a symbol of this name"
)]
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8; 60] = b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";
