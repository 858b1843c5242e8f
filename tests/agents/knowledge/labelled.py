"""A small set of our own: code and paragraphs, and questions that say which of them answers."""

from __future__ import annotations

from benchmarks._labelled import Labelled, by_source

CODE = {
    "retry_upload": "Send the blob again with a growing pause until the bucket answers.",
    "hash_password": "Derive a slow digest of a secret with a random salt.",
    "parse_iso_date": "Turn a text such as 2024-05-01 into a date.",
    "chunk_list": "Split a sequence into pieces of equal size.",
    "flatten_tree": "Give every leaf of nested lists in one flat list.",
    "remove_duplicates": "Keep the first of equal items and their order.",
    "read_csv_rows": "Load comma separated lines as dictionaries by header.",
    "resize_image": "Scale a picture down so that it fits into a box.",
    "send_mail": "Deliver a message to a recipient over SMTP.",
    "lock_file": "Take an exclusive advisory lock so that one process writes.",
    "cosine_similarity": "The angle between two vectors, by their dot product.",
    "merge_settings": "Lay the user's configuration over the defaults, key by key.",
    "kill_process_group": "End a child and everything that it started.",
    "is_palindrome": "Whether a word reads the same backwards.",
}
DOCUMENTS = {
    "deploy": "Releases go to a green environment first. Traffic moves over once its health checks pass.",
    "backup": "Every night the database is dumped, encrypted and copied to another region. Copies live ninety days.",
    "tomato": "Tomatoes want six hours of sun and water at their roots, never on the leaves.",
    "bread": "Let the dough rise overnight in the fridge; bake it in a closed pot at 250 degrees.",
    "holiday": "Employees have thirty days of paid leave a year. Ask your lead two weeks ahead.",
    "incident": "Whoever is on call acknowledges the page within ten minutes and opens a channel for the outage.",
    "bicycle": "Oil the chain every two hundred kilometres and look at the brake pads before winter.",
    "license": "The code is under Apache-2.0. Contributors keep their copyright and sign off every commit.",
    "style": "Lines have at most 120 characters. Names are words and not abbreviations.",
    "glacier": "The ice of the valley retreated by two kilometres since 1900 and left a lake behind.",
    "coffee": "Grind the beans just before brewing; water a little below boiling keeps bitterness away.",
    "router": "Port 8443 is the admin page of the gateway; error E1207 means that the uplink has no carrier.",
}
QUERIES = {
    "try the transfer once more after a failure": "retry_upload.py",
    "store a user's login secret safely": "hash_password.py",
    "convert string to datetime": "parse_iso_date.py",
    "divide an array into batches": "chunk_list.py",
    "unnest lists recursively": "flatten_tree.py",
    "unique values of a list in order": "remove_duplicates.py",
    "import a spreadsheet export": "read_csv_rows.py",
    "make a thumbnail": "resize_image.py",
    "send an email": "send_mail.py",
    "stop two programs from writing at once": "lock_file.py",
    "how near are two embeddings": "cosine_similarity.py",
    "override default options": "merge_settings.py",
    "terminate subprocess and its children": "kill_process_group.py",
    "is_palindrome": "is_palindrome.py",
    "merge_settings": "merge_settings.py",
    "chunk_list": "chunk_list.py",
    "how do we roll out a new version": "deploy.md",
    "how long are database dumps kept": "backup.md",
    "growing vegetables": "tomato.md",
    "baking a loaf": "bread.md",
    "how much vacation do I get": "holiday.md",
    "what to do when the service is down": "incident.md",
    "maintaining my bike": "bicycle.md",
    "may I use this in a commercial product": "license.md",
    "naming conventions": "style.md",
    "climate change in the mountains": "glacier.md",
    "making espresso less bitter": "coffee.md",
    "E1207": "router.md",
    "port 8443": "router.md",
}


def small() -> Labelled:
    files = {
        f"{name}.py": f'def {name}(*given):\n    """{text}"""\n    return work(given)\n' for name, text in CODE.items()
    }
    files |= {f"{name}.md": f"{text}\n" for name, text in DOCUMENTS.items()}
    return by_source("small", files, list(QUERIES), [{source} for source in QUERIES.values()])
