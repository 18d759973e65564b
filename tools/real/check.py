"""What a real model made of the three documents: each was learned, or rejected with its reasons, after questions about it were kept and what the candidate reads was asked; and where
anything was learned, the answer's source quotes the sentence. Usage: check.py ONCE.json WHY.json"""

import json
import sys

once, why = (json.load(open(name)) for name in sys.argv[1:3])
faults = []
for document in once["documents"]:
    name, verdict = document["path"], document["verdict"]
    print(f"{name}: {verdict}, {document['probes']} questions, {document['seconds']:.0f} s", *document["reasons"], sep="\n  ")
    if verdict not in ("learned", "rejected"):
        faults.append(f"{name} ended {verdict}")
    if verdict == "rejected" and not document["reasons"]:
        faults.append(f"{name} was rejected without a reason")
    asked = [finding for finding in document["findings"] if finding["rule"] == "reading"]
    if not asked or "about other texts in sight lost" not in asked[0]["words"]:
        faults.append(f"{name}: the gate did not ask what it reads")
    if not document["probes"]:
        faults.append(f"{name}: no question was kept")
if any(document["verdict"] == "learned" for document in once["documents"]):
    quotes = [quote for document in why["documents"] for quote in document["quotes"]]
    print(*quotes, sep="\n")
    if not quotes:
        faults.append("why quotes no sentence")
if faults:
    sys.exit("\n".join(faults))
