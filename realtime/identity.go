package realtime

// Identity is who a viewer is; empty fields are unknown.
type Identity struct {
	Subject, Session string
	Name             string // for others to read
	Role             Role
}

// watches says whether somebody is counted as watching.
func (i Identity) watches() bool { return i.Role != RoleHost }

// Role is what a viewer is in the room it joined.
type Role string

// The roles. A host runs the show and is not counted among those who watch.
const (
	RoleViewer    Role = ""
	RoleBuyer     Role = "buyer"
	RoleModerator Role = "moderator"
	RoleHost      Role = "host"
)

func (r Role) String() string {
	if r == RoleViewer {
		return "viewer"
	}
	return string(r)
}
