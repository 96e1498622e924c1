//go:build packaging

package main

import (
	"debug/buildinfo"
	"fmt"
	"runtime/debug"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/spf13/cobra"
)

func newSBOMCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "sbom PROGRAM",
		Short:  "Write what modules a program was built of (CycloneDX, JSON)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := buildinfo.ReadFile(args[0])
			if err != nil {
				return err
			}
			return cdx.NewBOMEncoder(cmd.OutOrStdout(), cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom(info))
		},
	}
}

// bom lists what Go's linker has written into the program: the modules, their
// versions and their checksums, and the toolchain's own library.
func bom(info *buildinfo.BuildInfo) *cdx.BOM {
	b := cdx.NewBOM()
	b.Metadata = &cdx.Metadata{Component: &cdx.Component{Type: cdx.ComponentTypeApplication, Name: "vncgate", Version: versionText()}}
	parts := []cdx.Component{{Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion, PackageURL: "pkg:golang/std@" + info.GoVersion}}
	for _, m := range info.Deps {
		parts = append(parts, part(m))
	}
	b.Components = &parts
	return b
}

func part(m *debug.Module) cdx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	c := cdx.Component{
		Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
		PackageURL: fmt.Sprintf("pkg:golang/%s@%s", m.Path, m.Version),
	}
	if m.Sum != "" { // of the module's files, as go.sum has it
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	return c
}
