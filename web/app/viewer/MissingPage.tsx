import { LinkButton } from "../shared/ui/controls";
import { Empty } from "../shared/ui/states";
import { Frame } from "./Frame";

export default function MissingPage() {
  return (
    <Frame title="Not found">
      <Empty whole title="There is nothing at this address" action={<LinkButton tone="primary" href="/">See what is live</LinkButton>}>
        It may have moved, or a letter of the address got lost on the way.
      </Empty>
    </Frame>
  );
}
