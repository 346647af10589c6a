"""`softmax explain`: one softmax for people who learn, in a terminal, as Markdown or as JSON."""
