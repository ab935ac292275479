"""What is left out of an executed notebook."""

from __future__ import annotations

import nbformat
from nbformat import v4

from tools.run_tutorials import tidy


def test_what_depends_on_the_machine_is_left_out() -> None:
    cell = v4.new_code_cell(
        "print(1)",
        execution_count=1,
        metadata={"execution": {"iopub.execute_input": "2024-01-01T00:00:00"}},
        outputs=[
            v4.new_output("stream", name="stderr", text="/home/somebody/warning.py"),
            v4.new_output("stream", name="stdout", text="1\n"),
            v4.new_output("display_data", {"text/plain": "<Figure>"}, metadata={"needs_background": "light"}),
        ],
    )
    notebook = v4.new_notebook(cells=[cell], metadata={"language_info": {"name": "python", "version": "3.11.2"}})
    tidy(notebook)
    nbformat.validate(notebook)
    assert notebook.metadata["language_info"] == {"name": "python"}
    assert (cell.id, cell.metadata) == ("cell-0", {})
    assert [output.output_type for output in cell.outputs] == ["stream", "display_data"]
    assert cell.outputs[0].text == "1\n"
    assert cell.outputs[1].metadata == {}
