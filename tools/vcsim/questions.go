package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// ask lets a virtual machine stand with a question; without a text, it is answered.
func ask(moref, text string) error {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: moref}
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return fmt.Errorf("there is no virtual machine %s", moref)
	}
	var question *types.VirtualMachineQuestionInfo
	if text != "" {
		yes := types.ElementDescription{Description: types.Description{Label: "Yes", Summary: "Yes"}, Key: "0"}
		question = &types.VirtualMachineQuestionInfo{
			Id:     "1",
			Text:   text,
			Choice: types.ChoiceOption{ChoiceInfo: []types.BaseElementDescription{&yes}},
		}
	}
	simulator.Map.WithLock(vm, func() {
		vm.Runtime.Question = question
		vm.Summary.Runtime.Question = question
	})
	touch(ref, "runtime.question", "summary.runtime.question")
	return nil
}
