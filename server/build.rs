//! Compiles `src/model/onednn.cpp` against the libtorch that torch-sys links.

fn main() {
    let source = "src/model/onednn.cpp";
    println!("cargo:rerun-if-changed={source}");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").expect(
        "LIBTORCH names no folder; fix: run `server/cargo` instead of cargo, it fetches libtorch",
    );
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .flag("-D_GLIBCXX_USE_CXX11_ABI=1")
        // As system headers: their warnings are not ours to mend.
        .flag("-isystem")
        .flag(format!("{libtorch}/include"))
        .file(source)
        .compile("uninlu_onednn");
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
    if std::path::Path::new(&libtorch)
        .join("lib/libtorch_cuda.so")
        .exists()
    {
        // It registers itself when it is loaded; nothing here calls it by name, so the linker would leave it out.
        println!("cargo:rustc-link-arg-bins=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
}
