//! `crdgen`: writes the definitions into a folder.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("crdgen: give the folder that the definitions are to be written into, and nothing else");
        return ExitCode::from(2);
    };
    for definition in darkages_crds::definitions() {
        let path = Path::new(folder).join(&definition.file);
        if let Err(error) = std::fs::write(&path, definition.yaml) {
            eprintln!("crdgen: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
