import { render } from "preact";
import "../shared/base.css";
import { Button, Sheet, Field } from "../shared/ui";
render(<Sheet title="x" onClose={() => {}}><Button>hi</Button><Field label="a" value="" onInput={() => {}} /></Sheet>, document.getElementById("page")!);
