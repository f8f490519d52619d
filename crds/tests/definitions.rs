//! The definitions in `generated/` are those of the types, and say everything that a user has to know.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use darkages_crds::{ZoneServer, definitions};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;

fn generated() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    let files = fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("it can be listed"));
    files
        .map(|file| {
            let name = file.file_name().into_string().expect("it is text");
            (name, fs::read_to_string(file.path()).expect("it can be read"))
        })
        .collect()
}

#[test]
fn the_generated_definitions_are_those_of_the_types() {
    let made: BTreeMap<_, _> = definitions().into_iter().map(|definition| (definition.file, definition.yaml)).collect();
    let generated = generated();
    assert_eq!(
        generated.keys().collect::<Vec<_>>(),
        made.keys().collect::<Vec<_>>(),
        "run `make crds`, and remove what is not made any more"
    );
    for (file, yaml) in made {
        assert!(generated[&file] == yaml, "crds/generated/{file} is not what the types say: run `make crds`");
    }
}

#[test]
fn a_definition_fits_the_annotation_of_a_client_side_apply() {
    // What `kubectl apply` keeps of it in an annotation, which may have 256 KiB.
    let json = serde_json::to_string(&ZoneServer::crd()).expect("it is plain data");
    assert!(json.len() < 256 * 1024, "{} bytes", json.len());
}

/// Every field below `at`, with its schema.
fn fields(at: String, schema: &JSONSchemaProps, found: &mut Vec<(String, JSONSchemaProps)>) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{at}.{name}");
        found.push((path.clone(), field.clone()));
        fields(path, field, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        fields(format!("{at}[]"), items, found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        fields(format!("{at}{{}}"), values, found);
    }
}

fn all_fields() -> Vec<(String, JSONSchemaProps)> {
    let crd = ZoneServer::crd();
    let version = crd.spec.versions.into_iter().next().expect("there is one");
    let schema = version.schema.and_then(|schema| schema.open_api_v3_schema).expect("there is one");
    let mut found = Vec::new();
    for name in ["spec", "status"] {
        fields(name.to_owned(), &schema.properties.as_ref().expect("there are some")[name], &mut found);
    }
    assert!(found.len() > 100, "it looks into the schema");
    found
}

#[test]
fn every_field_is_documented() {
    let silent: Vec<_> = all_fields()
        .into_iter()
        .filter(|(_, field)| field.description.as_ref().is_none_or(String::is_empty))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

/// Types of Kubernetes, whose limits are those that it has for pods.
const OF_KUBERNETES: [&str; 5] = [
    "spec.template.affinity",
    "spec.template.tolerations[]",
    "spec.template.topologySpreadConstraints[]",
    "spec.template.env[].valueFrom",
    "status.conditions[]",
];

#[test]
fn every_list_map_and_number_of_ours_is_bounded() {
    let ours = all_fields().into_iter().filter(|(path, _)| !OF_KUBERNETES.iter().any(|of| path.starts_with(of)));
    let unbounded: Vec<_> = ours
        .filter(|(_, field)| match field.type_.as_deref() {
            Some("array") => field.max_items.is_none(),
            Some("object") if field.additional_properties.is_some() => field.max_properties.is_none(),
            Some("string") => field.max_length.is_none() && field.enum_.is_none() && field.format.is_none(),
            Some("integer") => field.minimum.is_none(),
            _ => false,
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(unbounded, ["spec.template.imagePullSecrets[].name", "status.observedGeneration"]);
}
