"""Takes the examples out of Markdown: `examples.py FOLDER FILE...` writes each block of YAML to a file in FOLDER.

A block that begins with `apiVersion` is a manifest, one whose first line is the comment `# values` is for the chart. Others are left: they show a part of
something. Prints how many there were, so that a document without its fences does not pass unseen.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

folder, *documents = sys.argv[1:]
found = {"manifest": 0, "values": 0}
for document in documents:
    name = re.sub(r"[^A-Za-z]+", "-", document)
    for index, block in enumerate(BLOCK.findall(pathlib.Path(document).read_text())):
        sort = "manifest" if block.startswith("apiVersion:") else "values" if block.startswith("# values\n") else None
        if sort:
            found[sort] += 1
            place = pathlib.Path(folder) / sort
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}-{index}.yaml").write_text(block)
print(f"{found['manifest']} manifests and {found['values']} values in documents")
